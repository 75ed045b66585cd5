edgemcp_workers::export!();

fn main() {}
