#![allow(unused)]
use edgemcp::prelude::*;
use std::sync::Arc;

/// Two.
#[tool]
fn two(cx: &Context, a: i64, again: Context) {}

/// Changed.
#[tool]
fn changed(cx: &mut Context) {}

/// Perhaps.
#[tool]
fn perhaps(cx: Option<Context>) {}

/// Shared.
#[tool]
fn shared(cx: Arc<edgemcp::Context>) {}

/// Kept.
#[tool]
fn kept(cx: &'static Context) {}

/// Described.
#[tool]
fn described(#[arg(description = "the context")] cx: &Context) {}

fn main() {}
