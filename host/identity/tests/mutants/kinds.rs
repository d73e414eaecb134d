//! The ways to change a document.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use reeve_identity::testing::{Lengths, Parts, content, text};

use super::originals::{HERE, Originals, THERE, document};

/// One way to change a document.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// How many mutants the test makes this way.
    pub(crate) count: usize,
    /// Makes one mutant.
    pub(crate) mutate: fn(&Originals, &mut ChaCha8Rng) -> String,
}

const fn kind(
    name: &'static str,
    count: usize,
    mutate: fn(&Originals, &mut ChaCha8Rng) -> String,
) -> Kind {
    Kind {
        name,
        count,
        mutate,
    }
}

/// All kinds. The counts add up to 10,000.
pub(crate) const KINDS: &[Kind] = &[
    kind("a bit flipped", 2000, bit_flipped),
    kind("a byte inserted", 1000, byte_inserted),
    kind("a byte deleted", 1000, byte_deleted),
    kind("bytes overwritten", 500, bytes_overwritten),
    kind("cut off", 500, cut_off),
    kind("two documents spliced", 1000, spliced),
    kind("another document's content", 500, content_exchanged),
    kind("a field changed", 1000, field_changed),
    kind("another's key", 500, anothers_key),
    kind("another region's key", 500, another_regions_key),
    kind("other algorithms", 500, other_algorithms),
    kind("several signers", 500, several_signers),
    kind("a character of the text", 500, character_changed),
];

/// A number below `end`.
fn below(rng: &mut ChaCha8Rng, end: usize) -> usize {
    let end = u32::try_from(end).expect("a small number");
    usize::try_from(rng.next_u32() % end).expect("a small number")
}

fn pick<'a, T>(rng: &mut ChaCha8Rng, from: &'a [T]) -> &'a T {
    &from[below(rng, from.len())]
}

fn coin(rng: &mut ChaCha8Rng) -> bool {
    below(rng, 2) == 0
}

fn byte(rng: &mut ChaCha8Rng) -> u8 {
    rng.next_u32().to_le_bytes()[0]
}

/// Random hexadecimal digits.
fn digits(rng: &mut ChaCha8Rng, count: usize) -> String {
    let digits: Vec<char> = "0123456789abcdef".chars().collect();
    (0..count).map(|_| *pick(rng, &digits)).collect()
}

fn encoded(parts: &Parts) -> String {
    text(&parts.encode(Lengths::AsAws))
}

fn bit_flipped(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let mut bytes = pick(rng, &originals.bytes).clone();
    let place = below(rng, bytes.len());
    bytes[place] ^= 1 << below(rng, 8);
    text(&bytes)
}

fn byte_inserted(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let mut bytes = pick(rng, &originals.bytes).clone();
    let place = below(rng, bytes.len() + 1);
    bytes.insert(place, byte(rng));
    text(&bytes)
}

fn byte_deleted(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let mut bytes = pick(rng, &originals.bytes).clone();
    let place = below(rng, bytes.len());
    bytes.remove(place);
    text(&bytes)
}

fn bytes_overwritten(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let mut bytes = pick(rng, &originals.bytes).clone();
    let place = below(rng, bytes.len());
    let length = 1 + below(rng, 16);
    for value in bytes.iter_mut().skip(place).take(length) {
        *value = byte(rng);
    }
    text(&bytes)
}

fn cut_off(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let bytes = pick(rng, &originals.bytes);
    let place = below(rng, bytes.len());
    if coin(rng) {
        text(&bytes[..place])
    } else {
        text(&bytes[place..])
    }
}

/// The beginning of one document and the end of another, cut at one place or at two.
fn spliced(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let (one, other) = (pick(rng, &originals.bytes), pick(rng, &originals.bytes));
    let end = below(rng, one.len());
    let start = if coin(rng) {
        end.min(other.len())
    } else {
        below(rng, other.len())
    };
    text(&[&one[..end], &other[start..]].concat())
}

/// One document's signature with invented content.
fn content_exchanged(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let mut parts = pick(rng, &originals.parts).clone();
    let region = *pick(rng, &[HERE, THERE, "ap-southeast-2"]);
    let instance = format!("i-{}", digits(rng, 17));
    parts.content = content(&document(&instance, region));
    if coin(rng) {
        // The digest of the new content under the old signature.
        let content = parts.content.clone();
        parts.signers[0].state(&content);
    }
    encoded(&parts)
}

/// A document with one changed field.
fn field_changed(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let mut parts = pick(rng, &originals.parts).clone();
    let json = String::from_utf8(parts.content).expect("JSON");
    let value = |name: &str| {
        let begin = format!("\"{name}\" : \"");
        let (_, rest) = json.split_once(&begin).expect("a field of the document");
        rest.split('"').next().expect("its value").to_owned()
    };
    let json = match below(rng, 7) {
        0 => json.replace(&value("instanceId"), &format!("i-{}", digits(rng, 17))),
        1 => json.replace(&value("instanceId"), &format!("i-{}", digits(rng, 8))),
        2 => json.replace(&value("accountId"), &format!("{:012}", rng.next_u32())),
        3 => json.replace(
            &value("region"),
            pick::<&str>(rng, &["us-west-2", "ap-southeast-2", "x"]),
        ),
        4 => json.replace("2023-11-14", &format!("2023-11-{:02}", 15 + below(rng, 15))),
        5 => json.replace(
            "\"version\"",
            "\"instanceId\" : \"i-00000000\", \"version\"",
        ),
        _ => json.replacen(" : ", &": ".repeat(1 + below(rng, 3)), 1 + below(rng, 8)),
    };
    parts.content = json.into_bytes();
    if coin(rng) {
        let content = parts.content.clone();
        parts.signers[0].state(&content);
    }
    encoded(&parts)
}

/// One issuer's name with the other issuer's key.
fn anothers_key(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let (name, key, region) = if coin(rng) {
        (&originals.here, &originals.there, HERE)
    } else {
        (&originals.there, &originals.here, THERE)
    };
    let instance = format!("i-{}", digits(rng, 17));
    let mut parts = name.parts(&content(&document(&instance, region)));
    key.sign_again(&mut parts.signers[0]);
    encoded(&parts)
}

/// A valid signature by an issuer that may not sign for the document's region.
fn another_regions_key(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let (issuer, regions) = if coin(rng) {
        (&originals.here, [THERE, "ap-southeast-2"])
    } else {
        (&originals.there, [HERE, "moon-central-1"])
    };
    let instance = format!("i-{}", digits(rng, 17));
    let region = *pick(rng, &regions);
    issuer.sign(&document(&instance, region))
}

/// Another algorithm in one of the three places, with or without a new signature.
fn other_algorithms(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    const DIGESTS: [&str; 7] = [
        "300c06082a864886f70d02050500",   // MD5
        "300906052b0e03021a0500",         // SHA-1
        "300706052b0e03021a",             // SHA-1 without NULL
        "300d06096086480165030402020500", // SHA-384
        "300b0609608648016503040203",     // SHA-512
        "300b0609608648016503040204",     // SHA-224
        "300d06096086480165030402010500", // SHA-256, but not in the signed form
    ];
    const SIGNATURES: [&str; 8] = [
        "300d06092a864886f70d0101010500", // rsaEncryption
        "300d06092a864886f70d0101040500", // RSA with MD5
        "300d06092a864886f70d0101050500", // RSA with SHA-1
        "300b06092a864886f70d01010a",     // RSASSA-PSS
        "300d06092a864886f70d01010d0500", // RSA with SHA-512
        "300906072a8648ce380403",         // DSA with SHA-1
        "300b0609608648016503040302",     // DSA with SHA-256
        "300a06082a8648ce3d040302",       // ECDSA with SHA-256
    ];
    let mut parts = pick(rng, &originals.parts[..2]).clone();
    let digest = hex::decode(pick(rng, &DIGESTS)).expect("hexadecimal digits");
    let signature = hex::decode(pick(rng, &SIGNATURES)).expect("hexadecimal digits");
    match below(rng, 4) {
        0 => parts.digest_algorithms = vec![digest],
        1 => parts.digest_algorithms.push(digest),
        2 => parts.signers[0].digest_algorithm = digest,
        _ => parts.signers[0].signature_algorithm = signature,
    }
    if coin(rng) {
        let content = parts.content.clone();
        parts.signers[0].state(&content);
        originals.here.sign_again(&mut parts.signers[0]);
    }
    encoded(&parts)
}

/// A second copy of a signer, an additional signer, or both.
fn several_signers(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let mut parts = pick(rng, &originals.parts).clone();
    let other = pick(rng, &originals.parts).signers[0].clone();
    let place = below(rng, 2);
    parts.signers.insert(place, other);
    if coin(rng) {
        let again = pick(rng, &parts.signers).clone();
        parts.signers.push(again);
    }
    if coin(rng) {
        // Invented content as well.
        let instance = format!("i-{}", digits(rng, 17));
        parts.content = content(&document(&instance, HERE));
    }
    encoded(&parts)
}

/// A changed text. If only white space changed, the text still has the same bytes.
fn character_changed(originals: &Originals, rng: &mut ChaCha8Rng) -> String {
    let mut characters: Vec<char> = text(pick::<Vec<u8>>(rng, &originals.bytes))
        .chars()
        .collect();
    let place = below(rng, characters.len());
    let others: Vec<char> = "AZaz09+/=-_ \n\r\t\0é".chars().collect();
    match below(rng, 3) {
        0 => characters[place] = *pick(rng, &others),
        1 => characters.insert(place, *pick(rng, &others)),
        _ => {
            characters.remove(place);
        }
    }
    characters.into_iter().collect()
}
