use edgemcp::Server;

pub async fn server() -> Server {
    Server::new("calculator", "1.0.0")
}

edgemcp_workers::export!(server);

fn main() {}
