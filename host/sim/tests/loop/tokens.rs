//! Ten thousand tokens that are not the box's: none is accepted.

use crate::rig::boxes::*;
use crate::rig::prelude::*;
use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use reeve_core::boxes::Receipt;
use reeve_core::token::{Secret, Token};

/// Any number does; the same one gives the same tokens.
const SEED: u64 = 7;
const TOKENS: usize = 10_000;

/// What is done to a good token's text.
const KINDS: [&str; 8] = [
    "a bit flipped",
    "a character replaced",
    "a character left out",
    "a character put in",
    "cut short",
    "another case",
    "another secret",
    "a token that was replaced",
];

fn mutate(kind: usize, good: &str, void: &[String], draws: &mut ChaCha8Rng) -> String {
    let mut below = |bound: usize| (draws.next_u64() % bound as u64) as usize;
    let mut bytes = good.as_bytes().to_vec();
    let place = below(bytes.len());
    let letter = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."[below(65)];
    match KINDS[kind] {
        "a bit flipped" => bytes[place] ^= 1 << below(8),
        "a character replaced" => bytes[place] = letter,
        "a character left out" => drop(bytes.remove(place)),
        "a character put in" => bytes.insert(place, letter),
        "cut short" => bytes.truncate(place),
        "another case" => {
            for byte in bytes.iter_mut().skip(place) {
                *byte = match byte.is_ascii_lowercase() {
                    true => byte.to_ascii_uppercase(),
                    false => byte.to_ascii_lowercase(),
                };
            }
        }
        "another secret" => {
            let mut secret = [0; 32];
            draws.fill_bytes(&mut secret);
            let worker = Token::parse(good).unwrap().worker().clone();
            return Token::new(worker, Secret::new(secret)).reveal();
        }
        _ => return void[below(void.len())].clone(),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_accepted(rig: &mut Rig, text: &str) -> bool {
    let Ok(token) = Token::parse(text) else {
        return false;
    };
    let request = rig.say(heartbeat(&token));
    match rig
        .receipt(request)
        .expect("the store in memory answers at once")
    {
        Receipt::Accepted(_) => true,
        Receipt::Refused(_) => false,
        other @ Receipt::Registered(_) => panic!("{other:?}"),
    }
}

#[test]
fn ten_thousand_mutated_tokens_are_refused_and_the_good_one_stays_good() {
    let mut draws = ChaCha8Rng::seed_from_u64(SEED);
    let (mut rig, id) = launched();
    // Registers whose replies were lost leave tokens that were good once.
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(
            registered(rig.say_and_run(register(&id, "first")))
                .token
                .reveal(),
        );
    }
    let good = tokens.pop().expect("the last one counts");
    assert!(is_accepted(&mut rig, &good));
    let mut counted = BTreeMap::new();
    let mut tried = 0;
    while tried < TOKENS {
        let kind = tried % KINDS.len();
        let text = mutate(kind, &good, &tokens, &mut draws);
        if text == good {
            continue;
        }
        tried += 1;
        *counted.entry(KINDS[kind]).or_insert(0) += 1;
        assert!(
            !is_accepted(&mut rig, &text),
            "seed {SEED}: {text:?} ({})",
            KINDS[kind]
        );
    }
    assert!(is_accepted(&mut rig, &good));
    rig.run(SECOND);
    println!("seed {SEED}: {tried} mutated tokens, none accepted: {counted:?}");
}
