//! Tokens, sessions and certificates with something changed: none may count.
//!
//! `REEVE_SEED=17 REEVE_MUTATED=100000 cargo test -p reeve --lib mutated` tries other and more ones.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use reeve_sim::store::MemoryLedger;

use super::tokens::{self, Token};
use super::{Access, Credentials, Sessions};
use crate::clock::Clock;

const ARN: &str = "arn:aws:sts::123456789012:assumed-role/chat-caller/a-function";

fn number(name: &str, usual: u64) -> u64 {
    let given = std::env::var(name).ok().and_then(|text| text.parse().ok());
    given.unwrap_or(usual)
}

/// A source of choices, whose seed a failing test prints.
struct Chance {
    seed: u64,
    random: ChaCha8Rng,
}

impl Chance {
    fn new() -> Self {
        let seed = number("REEVE_SEED", 1);
        Self {
            seed,
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.next_u64() % bound as u64).unwrap()
    }

    /// One of these with something changed.
    fn mutated(&mut self, sound: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = sound[self.below(sound.len())].clone();
        let place = self.below(bytes.len());
        match self.below(7) {
            0 => bytes[place] ^= 1 << self.below(8),
            1 => bytes.truncate(place),
            2 => bytes.insert(place, bytes[place]),
            3 => drop(bytes.remove(place)),
            4 => bytes[place] = b"._-A0z "[self.below(7)],
            5 => bytes.make_ascii_uppercase(),
            // The beginning of one and the end of another.
            _ => {
                let other = &sound[self.below(sound.len())];
                bytes.truncate(place);
                bytes.extend_from_slice(&other[self.below(other.len())..]);
            }
        }
        bytes
    }
}

fn shown(text: &[u8]) -> Option<HeaderMap> {
    let value = [b"Bearer ", text].concat();
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(&value).ok()?);
    Some(headers)
}

#[tokio::test]
async fn no_mutated_token_and_no_mutated_session_counts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.json");
    let clock = Clock::start();
    let (now, day) = (Timestamp::now(), SignedDuration::from_hours(24));
    let access: Arc<Access> = Arc::default();
    let sessions = Sessions::new(Arc::clone(&access), Arc::new(MemoryLedger::default()));
    let mut sound = Vec::new();
    for name in ["a", "deploy", "deploy.eu", "b-1"] {
        let (token, text) = Token::make(name, now, Some(now + day)).unwrap();
        tokens::change(&file, |tokens| tokens.push(token)).unwrap();
        sound.push(text.text().as_bytes().to_vec());
    }
    for _ in 0..4 {
        let begun = sessions.begin(&ARN.parse().unwrap(), clock.now()).await;
        sound.push(begun.unwrap().token.into_bytes());
    }
    let (over, text) = Token::make("over", now - day, Some(now)).unwrap();
    tokens::change(&file, |tokens| tokens.push(over)).unwrap();
    let (credentials, _) = Credentials::open(access, file, Some(Arc::new(sessions))).unwrap();
    for text in &sound {
        let headers = shown(text).unwrap();
        assert!(credentials.caller(&headers, None, clock).await.is_ok());
    }
    let over = shown(text.text().as_bytes()).unwrap();
    assert!(credentials.caller(&over, None, clock).await.is_err());

    let mut chance = Chance::new();
    let mut refused = 0_u64;
    for _ in 0..number("REEVE_MUTATED", 20_000) {
        let mutated = chance.mutated(&sound);
        let is_sound = sound.contains(&mutated);
        let Some(headers) = shown(&mutated) else {
            continue;
        };
        let counts = credentials.caller(&headers, None, clock).await.is_ok();
        let text = String::from_utf8_lossy(&mutated);
        assert_eq!(counts, is_sound, "seed {}: {text:?}", chance.seed);
        refused += u64::from(!counts);
    }
    assert!(refused > 0);
}
