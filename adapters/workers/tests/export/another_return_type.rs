pub fn server() -> String {
    String::from("calculator")
}

edgemcp_workers::export!(server);

fn main() {}
