edgemcp_workers::export!(server);

fn main() {}
