//! What a user who hands the macros something else is told.

#[test]
fn what_is_no_function_that_returns_a_server_is_said_to_be_none() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/export/*.rs");
}

#[test]
fn the_class_of_the_objects_takes_nothing() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/durable_object/*.rs");
}
