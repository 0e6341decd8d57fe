//! The two parts of an X.509 certificate that rustls does not hand out.
//!
//! ```text
//! Certificate    ::= SEQUENCE { tbs TBSCertificate, algorithm SEQUENCE { OID, … }, signature BIT STRING }
//! TBSCertificate ::= SEQUENCE { [0] version OPTIONAL, serial, algorithm, issuer, validity, subject, key, … }
//! ```

use aws_lc_rs::digest;

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const VERSION: u8 = 0xa0;

/// Signature algorithms whose hash is known, by OID, most of them `1.2.840.…`.
const HASHES: [(&[u8], &digest::Algorithm); 9] = [
    // md5WithRSA and sha1WithRSA: RFC 5929 says SHA-256 instead
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", &digest::SHA256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", &digest::SHA256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", &digest::SHA256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", &digest::SHA384),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", &digest::SHA512),
    // ECDSA with SHA-1, 256, 384, 512
    (b"\x2a\x86\x48\xce\x3d\x04\x01", &digest::SHA256),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", &digest::SHA256),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", &digest::SHA384),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", &digest::SHA512),
];

/// `tls-server-end-point` of RFC 5929: the certificate's hash by its own signature's hash function.
///
/// `None` where that is not defined, as for Ed25519.
pub(in crate::pg) fn end_point_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    let (body, _) = element(certificate, SEQUENCE)?;
    let (_, after_tbs) = any(body)?;
    let (algorithm, _) = element(after_tbs, SEQUENCE)?;
    let (oid, _) = element(algorithm, OBJECT_ID)?;
    let (_, hash) = HASHES.iter().find(|(known, _)| *known == oid)?;
    Some(digest::digest(hash, certificate).as_ref().to_vec())
}

/// The SubjectPublicKeyInfo, its own tag and length included.
pub(super) fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let (body, _) = element(certificate, SEQUENCE)?;
    let (tbs, _) = element(body, SEQUENCE)?;
    let mut rest = element(tbs, VERSION).map_or(tbs, |(_, after)| after);
    for _ in ["serial", "algorithm", "issuer", "validity", "subject"] {
        (_, rest) = any(rest)?;
    }
    let (_, after) = element(rest, SEQUENCE)?;
    rest.get(..rest.len() - after.len())
}

/// The content of the element at the start of `der`, which has this tag; and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    (*der.first()? == tag).then(|| any(der))?
}

fn any(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&short, rest) = der.get(1..)?.split_first()?;
    if short < 0x80 {
        return rest.split_at_checked(short.into());
    }
    // lengths of up to four bytes: a certificate is far smaller
    let bytes = usize::from(short & 0x7f);
    let (length, rest) = rest.split_at_checked(bytes).filter(|_| bytes <= 4)?;
    let length = length
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_certificate_is_taken_apart() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let der = made.cert.der();
        // rcgen signs with ECDSA and SHA-256
        let sha256 = digest::digest(&digest::SHA256, der);
        assert_eq!(end_point_hash(der).as_deref(), Some(sha256.as_ref()));
        let key = public_key(der).unwrap();
        assert!(key.ends_with(made.signing_key.public_key_raw()));
        assert_eq!(element(key, SEQUENCE).unwrap().1, b"");
    }

    #[test]
    fn cut_or_foreign_bytes_are_refused() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let der = made.cert.der();
        for end in 0..der.len() {
            assert_eq!(end_point_hash(&der[..end]), None);
            assert_eq!(public_key(&der[..end]), None);
        }
        assert_eq!(end_point_hash(b"\x30\x84\xff\xff\xff\xff"), None);
        assert_eq!(end_point_hash(b"\x30\xff"), None);
    }
}
