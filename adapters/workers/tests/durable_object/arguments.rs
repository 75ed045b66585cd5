fn server() {}

edgemcp_workers::durable_object!(server);

fn main() {}
