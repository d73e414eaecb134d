//! AWS's regional certificates for the RSA-2048 signature, compiled in.
//!
//! The source is the EC2 user guide's page "AWS public certificates for instance identity document
//! signatures" (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/regions-certs.html>; for the
//! regions in China the same page of <https://docs.amazonaws.cn>), section *RSA-2048*.
//! `certificates/README.md` says how a reviewer checks one.

/// Each region and its certificate in PEM, ordered by name.
pub(crate) const CERTIFICATES: [(&str, &str); 36] = [
    ("af-south-1", include_str!("../certificates/af-south-1.pem")),
    ("ap-east-1", include_str!("../certificates/ap-east-1.pem")),
    (
        "ap-northeast-1",
        include_str!("../certificates/ap-northeast-1.pem"),
    ),
    (
        "ap-northeast-2",
        include_str!("../certificates/ap-northeast-2.pem"),
    ),
    (
        "ap-northeast-3",
        include_str!("../certificates/ap-northeast-3.pem"),
    ),
    ("ap-south-1", include_str!("../certificates/ap-south-1.pem")),
    ("ap-south-2", include_str!("../certificates/ap-south-2.pem")),
    (
        "ap-southeast-1",
        include_str!("../certificates/ap-southeast-1.pem"),
    ),
    (
        "ap-southeast-2",
        include_str!("../certificates/ap-southeast-2.pem"),
    ),
    (
        "ap-southeast-3",
        include_str!("../certificates/ap-southeast-3.pem"),
    ),
    (
        "ap-southeast-4",
        include_str!("../certificates/ap-southeast-4.pem"),
    ),
    (
        "ap-southeast-5",
        include_str!("../certificates/ap-southeast-5.pem"),
    ),
    (
        "ap-southeast-7",
        include_str!("../certificates/ap-southeast-7.pem"),
    ),
    (
        "ca-central-1",
        include_str!("../certificates/ca-central-1.pem"),
    ),
    ("ca-west-1", include_str!("../certificates/ca-west-1.pem")),
    ("cn-north-1", include_str!("../certificates/cn-north-1.pem")),
    (
        "cn-northwest-1",
        include_str!("../certificates/cn-northwest-1.pem"),
    ),
    (
        "eu-central-1",
        include_str!("../certificates/eu-central-1.pem"),
    ),
    (
        "eu-central-2",
        include_str!("../certificates/eu-central-2.pem"),
    ),
    ("eu-north-1", include_str!("../certificates/eu-north-1.pem")),
    ("eu-south-1", include_str!("../certificates/eu-south-1.pem")),
    ("eu-south-2", include_str!("../certificates/eu-south-2.pem")),
    ("eu-west-1", include_str!("../certificates/eu-west-1.pem")),
    ("eu-west-2", include_str!("../certificates/eu-west-2.pem")),
    ("eu-west-3", include_str!("../certificates/eu-west-3.pem")),
    (
        "il-central-1",
        include_str!("../certificates/il-central-1.pem"),
    ),
    (
        "me-central-1",
        include_str!("../certificates/me-central-1.pem"),
    ),
    ("me-south-1", include_str!("../certificates/me-south-1.pem")),
    (
        "mx-central-1",
        include_str!("../certificates/mx-central-1.pem"),
    ),
    ("sa-east-1", include_str!("../certificates/sa-east-1.pem")),
    ("us-east-1", include_str!("../certificates/us-east-1.pem")),
    ("us-east-2", include_str!("../certificates/us-east-2.pem")),
    (
        "us-gov-east-1",
        include_str!("../certificates/us-gov-east-1.pem"),
    ),
    (
        "us-gov-west-1",
        include_str!("../certificates/us-gov-west-1.pem"),
    ),
    ("us-west-1", include_str!("../certificates/us-west-1.pem")),
    ("us-west-2", include_str!("../certificates/us-west-2.pem")),
];

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::certificate::Certificate;

    /// The fingerprint of `openssl x509 -fingerprint -sha256`, in lower case without colons.
    fn fingerprint(pem: &str) -> String {
        let base64: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let der = STANDARD.decode(base64).unwrap();
        hex::encode(ring::digest::digest(&ring::digest::SHA256, &der))
    }

    #[test]
    fn every_pinned_certificate_has_the_fingerprint_in_the_table() {
        let table: Vec<(String, String)> = include_str!("../certificates/fingerprints.txt")
            .lines()
            .map(|line| {
                let (region, fingerprint) = line.split_once(' ').unwrap();
                (region.to_owned(), fingerprint.trim().to_owned())
            })
            .collect();
        let pinned: Vec<(String, String)> = CERTIFICATES
            .iter()
            .map(|(region, pem)| ((*region).to_owned(), fingerprint(pem)))
            .collect();
        assert_eq!(pinned, table);
    }

    #[test]
    fn every_pinned_certificate_is_read_and_named_unlike_the_others() {
        let certificates: Vec<Certificate> = CERTIFICATES
            .iter()
            .map(|(region, pem)| Certificate::read(pem).expect(region))
            .collect();
        for (place, certificate) in certificates.iter().enumerate() {
            let (issuer, serial) = certificate.name();
            let named = certificates
                .iter()
                .filter(|other| other.is_named(issuer, serial));
            assert_eq!(named.count(), 1, "{}", CERTIFICATES[place].0);
        }
    }
}
