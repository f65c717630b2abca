//! Directives on TLS.
//!
//! All wait for TLS: a port that is meant to be encrypted must not be opened in the clear.

use super::*;

const TLS: &str = "TLS";

pub(super) const ROWS: &[Directive] = &[
    port("tls-port", later("0", TLS), "Port to listen on with TLS; 0 opens none."),
    text("tls-cert-file", later("", TLS), "Certificate of the server."),
    text("tls-key-file", later("", TLS), "Private key of that certificate."),
    text("tls-key-file-pass", later("", TLS), "Password of that key.").sensitive(),
    text("tls-client-cert-file", later("", TLS), "Certificate to show to other servers."),
    text("tls-client-key-file", later("", TLS), "Private key of that certificate."),
    text("tls-client-key-file-pass", later("", TLS), "Password of that key.").sensitive(),
    text("tls-dh-params-file", later("", TLS), "Diffie-Hellman parameters."),
    text("tls-ca-cert-file", later("", TLS), "Authorities that are trusted."),
    text("tls-ca-cert-dir", later("", TLS), "Directory of authorities that are trusted."),
    one_of(
        "tls-auth-clients",
        &["no", "yes", "optional"],
        later("yes", TLS),
        "Whether clients must show a certificate.",
    ),
    yes_no("tls-replication", later("no", TLS), "Use TLS for the link to the primary."),
    yes_no("tls-cluster", later("no", TLS), "Use TLS for the cluster's bus."),
    text("tls-protocols", later("", TLS), "Versions that are accepted."),
    text("tls-ciphers", later("", TLS), "Ciphers up to TLS 1.2."),
    text("tls-ciphersuites", later("", TLS), "Cipher suites of TLS 1.3."),
    yes_no("tls-prefer-server-ciphers", later("no", TLS), "Choose by the server's order of ciphers."),
    yes_no("tls-session-caching", later("yes", TLS), "Let clients resume sessions."),
    count("tls-session-cache-size", later("20480", TLS), "Sessions remembered; 0 is no limit."),
    count("tls-session-cache-timeout", later("300", TLS), "Seconds that they are remembered."),
];
