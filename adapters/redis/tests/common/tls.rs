//! A Redis that speaks TLS alone and knows one user, whose authority is made for the test.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::Server;

/// The server, and the certificate of who vouches for it.
pub(crate) struct TlsServer {
    pub(crate) server: Server,
    pub(crate) ca_pem: String,
}

pub(crate) const PASSWORD: &str = "p%40ss:w%2Frd";

/// What the crate's documentation says that a user may do, and no more.
const RIGHTS: &str = include_str!("../../src/lib.rs");

impl TlsServer {
    pub(crate) async fn start() -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap();
        let certificate = certificate.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();

        let mut server = Server::stopped(&[
            "--port",
            "0",
            "--tls-port",
            "PORT",
            "--tls-cert-file",
            "cert.pem",
            "--tls-key-file",
            "key.pem",
            "--tls-ca-cert-file",
            "ca.pem",
            "--tls-auth-clients",
            "no",
            // The test itself asks past TLS.
            "--unixsocket",
            "redis.sock",
            "--aclfile",
            "users.acl",
        ]);
        let users = format!("user default on nopass ~* &* +@all\nuser app on >p@ss:w/rd {}\n", rights());
        for (name, text) in [
            ("cert.pem", &certificate.pem()),
            ("key.pem", &key.serialize_pem()),
            ("ca.pem", &ca_pem),
            ("users.acl", &users),
        ] {
            std::fs::write(server.folder().join(name), text).unwrap();
        }
        server.admin = format!("unix://{}", server.folder().join("redis.sock").display());
        server.run().await;
        Self { server, ca_pem }
    }

    /// Its URL, as the user who may do what the documentation lists.
    pub(crate) fn url(&self) -> String {
        format!("rediss://app:{PASSWORD}@localhost:{}", self.server.port)
    }
}

/// The rights that the documentation lists, as one line.
pub(crate) fn rights() -> String {
    let (_, rest) = RIGHTS.split_once("ACL SETUSER app on >password ").unwrap();
    let (rights, _) = rest.split_once("```").unwrap();
    rights.replace("//!", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}
