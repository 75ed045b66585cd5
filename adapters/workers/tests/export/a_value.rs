pub const SERVER: &str = "calculator";

edgemcp_workers::export!(SERVER);

fn main() {}
