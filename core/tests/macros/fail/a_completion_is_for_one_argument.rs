#![allow(unused)]
use edgemcp::prelude::*;

#[completion]
fn nothing(city: String) -> Vec<String> {
    vec![city]
}

#[completion(argument = "city")]
fn nothing_either(city: String) -> Vec<String> {
    vec![city]
}

#[completion(prompt = "trip", resource = "trip://{city}")]
fn both(city: String) -> Vec<String> {
    vec![city]
}

#[completion("trip")]
fn without_a_key(city: String) -> Vec<String> {
    vec![city]
}

#[completion(prmopt = "trip", prompt = 3, name = "x")]
fn unknown(city: String) -> Vec<String> {
    vec![city]
}

#[completion(prompt = "trip", argument = "ctiy")]
fn slip(city: String) -> Vec<String> {
    vec![city]
}

#[completion(prompt = "trip", argument = "country")]
fn other(city: String) -> Vec<String> {
    vec![city]
}

#[completion(prompt = "trip")]
fn nobody(cx: &Context) -> Vec<String> {
    Vec::new()
}

#[completion(prompt = "trip")]
fn chosen(city: String, cx: &Context, country: String, days: Vec<u8>, #[arg(default)] way: String) -> Vec<String> {
    vec![city]
}

#[completion(prompt = "trip")]
fn typed(days: Option<u8>, #[arg(length(min = 1), description = "x", header = "City")] city: Option<String>) -> Vec<String> {
    Vec::new()
}

#[completion(prompt = "trip")]
fn left_out(#[arg(default)] city: String) -> Vec<String> {
    vec![city]
}

#[completion(resource = "trip://{country}/{city}")]
fn no_placeholder(city: String, coutnry: Option<String>, days: Option<u8>) -> Vec<String> {
    vec![city]
}

#[completion(resource = "trip://cities")]
fn no_template(city: String) -> Vec<String> {
    vec![city]
}

#[completion(resource = "trips/{city}")]
fn no_uri(city: String) -> Vec<String> {
    vec![city]
}

#[completion(prompt = "trip")]
#[prompt]
fn twice(city: String) -> Vec<String> {
    vec![city]
}

#[completion(prompt = "trip")]
struct City;

fn main() {}
