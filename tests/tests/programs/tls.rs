//! tokio-rustls, with certificates on both sides.

use crate::world::{World, everywhere};
use rcgen::{CertificateParams, Issuer, KeyPair};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A certificate that the authority has signed, and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// An authority, and what it has signed for `server` and `client`.
pub(crate) struct Authority {
    roots: RootCertStore,
    identities: [Identity; 2],
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).expect("a root");
        let issuer = Issuer::new(params, key);
        let identities = ["server", "client"].map(|name| {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            Identity {
                chain: vec![certificate.der().clone()],
                key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            }
        });
        Self { roots, identities }
    }

    /// A server that wants to see certificates, and a client that has one.
    pub(crate) fn configs(self) -> (ServerConfig, ClientConfig) {
        let [server, client] = self.identities;
        let provider = Arc::new(default_provider());
        let roots = Arc::new(self.roots.clone());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .expect("a verifier");
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&tokio_rustls::rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_client_cert_verifier(verifier)
            .with_single_cert(server.chain, server.key)
            .expect("a certificate");
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&tokio_rustls::rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(self.roots)
            .with_client_auth_cert(client.chain, client.key)
            .expect("a certificate");
        (server, client)
    }
}

#[test]
fn both_sides_show_their_certificates() {
    everywhere(|world: World| async move {
        let (server, client) = Authority::new().configs();
        let (listener, to) = world.listen().await;
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut stream = acceptor.accept(stream).await.expect("a handshake");
            let (_, session) = stream.get_ref();
            assert_eq!(session.peer_certificates().map(<[_]>::len), Some(1));
            let mut got = Vec::new();
            stream.read_to_end(&mut got).await.expect("data");
            stream.write_all(&got).await.expect("open");
            stream.shutdown().await.expect("open");
        });
        let connector = TlsConnector::from(Arc::new(client));
        let name = ServerName::try_from("server").expect("a name");
        let stream = world.connect(to).await;
        let mut stream = connector.connect(name, stream).await.expect("a handshake");
        let sent: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        stream.write_all(&sent).await.expect("open");
        stream.shutdown().await.expect("open");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.expect("data");
        assert!(got == sent);
        serving.await.expect("no panic");
    });
}
