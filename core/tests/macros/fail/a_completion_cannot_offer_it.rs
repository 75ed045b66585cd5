#![allow(unused)]
use edgemcp::prelude::*;

#[completion(prompt = "trip")]
async fn days(days: String) -> Vec<u8> {
    Vec::new()
}

#[completion(prompt = "trip")]
fn city(city: String) -> String {
    city
}

fn main() {}
