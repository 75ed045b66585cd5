edgemcp_workers::export!(|| edgemcp::Server::new("calculator", "1.0.0"));

fn main() {}
