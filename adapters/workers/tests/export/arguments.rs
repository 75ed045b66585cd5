use edgemcp::Server;

pub fn server(name: String) -> Server {
    Server::new(name, "1.0.0")
}

edgemcp_workers::export!(server);

fn main() {}
