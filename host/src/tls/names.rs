//! The names that a certificate is for.

use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The DNS names and URIs among the certificate's alternative names, such as `build.example.org` or
/// `spiffe://example.org/build`. The subject's common name does not count: what stands in it has no
/// rules (RFC 9525, 2).
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let dns = certificate.valid_dns_names();
    let all = dns.chain(certificate.valid_uri_names());
    all.map(str::to_owned).collect()
}
