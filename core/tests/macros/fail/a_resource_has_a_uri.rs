#![allow(unused)]
use edgemcp::prelude::*;

macro_rules! resources {
    ($($name:ident $uri:tt;)*) => { $(#[resource $uri] fn $name() -> String { String::new() })* };
}

resources! {
    none ();
    late (name = "x");
    computed (concat!("data://", "x"));
    no_scheme ("config");
    bad_scheme ("1st://config");
    no_rest ("data://");
    space ("data://my config");
    open ("user://{id");
    closed ("user://id}");
    query ("search://find{?q}");
    reserved ("file://{+path}");
    exploded ("file://{path*}");
    several ("geo://{lat,lon}");
    empty ("user://{}");
    wrong_separator ("data://config"; name = "x");
}

fn main() {}
