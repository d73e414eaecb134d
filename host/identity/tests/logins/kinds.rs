//! The ways to make a login that must not be accepted.

mod signed;

use jiff::SignedDuration;
use reeve_identity::login::Login;

use super::chance::Chance;
use super::world::{Attempt, FLEET, Sound, World};

/// One way to make a mutant.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// How many mutants are made this way, in relation to the other ways.
    pub(crate) weight: usize,
    pub(crate) mutate: Mutate,
}

type Mutate = fn(&World, &mut Chance) -> Attempt;

const fn kind(name: &'static str, weight: usize, mutate: Mutate) -> Kind {
    Kind {
        name,
        weight,
        mutate,
    }
}

pub(crate) const KINDS: &[Kind] = &[
    kind("a bit of a member flipped", 6, bit_flipped),
    kind("a member edited", 6, edited),
    kind("a bit of the JSON flipped", 4, json_bit_flipped),
    kind("members of two logins", 3, mixed),
    kind("expired or early", 3, skewed),
    kind("an old signature with a new date", 3, date_renewed),
    kind("signed for another fleet", 3, signed::other_audience_signed),
    kind("sent to another fleet", 3, other_audience_asked),
    kind("a forged signature", 4, signed::forged),
    kind("another region's key", 4, signed::other_region),
    kind("another service's key", 2, signed::other_service),
    kind("another request", 4, signed::other_request),
    kind("too few or other headers", 4, signed::other_headers),
    kind("replayed with other headers", 4, replayed),
    kind("another token", 4, signed::other_token),
    kind("spaces that SigV4 ignores", 2, spaces),
];

fn sound<'a>(world: &'a World, chance: &mut Chance) -> &'a Sound {
    chance.pick(&world.sound)
}

/// Changes one of a login's members.
fn change(login: &mut Login, chance: &mut Chance, with: impl Fn(&str, &mut Chance) -> String) {
    let mut members = vec![
        &mut login.region,
        &mut login.authorization,
        &mut login.x_amz_date,
    ];
    members.extend(login.x_amz_security_token.as_mut());
    let place = chance.below(members.len());
    let changed = with(members[place], chance);
    *members[place] = changed;
}

fn bit_flipped(world: &World, chance: &mut Chance) -> Attempt {
    let mut login = sound(world, chance).login.clone();
    change(&mut login, chance, |text, chance| {
        let mut bytes = text.as_bytes().to_vec();
        let place = chance.below(bytes.len());
        bytes[place] ^= 1 << chance.below(8);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    world.arrives(&login)
}

/// One to three characters inserted, removed, or overwritten.
fn edited(world: &World, chance: &mut Chance) -> Attempt {
    let mut login = sound(world, chance).login.clone();
    change(&mut login, chance, |text, chance| {
        let others: Vec<char> = "aAzZ059/+=;:,.-_ \t\r\n\0é\u{ff10}".chars().collect();
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=chance.below(3) {
            let place = chance.below(characters.len());
            let other = *chance.pick(&others);
            match chance.below(3) {
                0 => characters[place] = other,
                1 => characters.insert(place, other),
                _ => _ = characters.remove(place),
            }
        }
        characters.into_iter().collect()
    });
    world.arrives(&login)
}

fn json_bit_flipped(world: &World, chance: &mut Chance) -> Attempt {
    let mut attempt = world.arrives(&sound(world, chance).login);
    let place = chance.below(attempt.json.len());
    attempt.json[place] ^= 1 << chance.below(8);
    attempt
}

/// Each member of one of two logins.
fn mixed(world: &World, chance: &mut Chance) -> Attempt {
    let (one, other) = (sound(world, chance), sound(world, chance));
    let mut of = || {
        if chance.coin() {
            &one.login
        } else {
            &other.login
        }
    };
    let login = Login {
        region: of().region.clone(),
        authorization: of().authorization.clone(),
        x_amz_date: of().x_amz_date.clone(),
        x_amz_security_token: of().x_amz_security_token.clone(),
    };
    world.arrives(&login)
}

/// More than 5 minutes and up to 12 days, in seconds.
fn far(chance: &mut Chance) -> SignedDuration {
    let end = *chance.pick(&[1_000, 1_000_000]);
    let seconds = 301 + chance.below(end);
    SignedDuration::from_secs(i64::try_from(seconds).expect("a small number"))
}

fn skewed(world: &World, chance: &mut Chance) -> Attempt {
    let mut attempt = world.arrives(&sound(world, chance).login);
    let far = far(chance);
    attempt.now = if chance.coin() {
        world.at + far
    } else {
        world.at - far
    };
    attempt
}

/// The date of a login that has expired, changed to the present. The scope's day is changed or
/// stays.
fn date_renewed(world: &World, chance: &mut Chance) -> Attempt {
    let mut login = sound(world, chance).login.clone();
    let now = world.at + far(chance);
    let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    if chance.coin() {
        let days = (&login.x_amz_date[..8], &date[..8]);
        login.authorization = login.authorization.replace(days.0, days.1);
    }
    login.x_amz_date = date;
    let mut attempt = world.arrives(&login);
    attempt.now = now;
    attempt
}

fn other_audience_asked(world: &World, chance: &mut Chance) -> Attempt {
    let mut attempt = world.arrives(&sound(world, chance).login);
    attempt.audience = match chance.below(3) {
        0 => format!("{FLEET} "),
        _ => signed::other_fleet(chance),
    };
    attempt
}

/// A sound signature with another list of headers than the signed one.
fn replayed(world: &World, chance: &mut Chance) -> Attempt {
    let sound = sound(world, chance);
    let mut login = sound.login.clone();
    let names = names(sound);
    let mut others = names.clone();
    while others == names {
        let all = [
            "content-length",
            "content-type",
            "x-amz-content-sha256",
            "x-amz-date",
            "host",
        ];
        let other = *chance.pick(&all);
        if others.iter().any(|name| name == other) {
            others.retain(|name| name != other);
        } else {
            others.push(other.to_owned());
            others.sort_unstable();
        }
    }
    login.authorization = login
        .authorization
        .replace(&names.join(";"), &others.join(";"));
    world.arrives(&login)
}

/// Spaces and line ends around or in a member, which SigV4 leaves out of the signed text.
fn spaces(world: &World, chance: &mut Chance) -> Attempt {
    let mut login = sound(world, chance).login.clone();
    change(&mut login, chance, |text, chance| {
        let space = *chance.pick(&[
            " ",
            "  ",
            "\t",
            "\n",
            "\r\n",
            "\r\nx-reeve-audience: other\r\n",
        ]);
        match chance.below(3) {
            0 => format!("{space}{text}"),
            1 => format!("{text}{space}"),
            _ => text.replacen(',', &format!(",{space}{space}"), 1) + space,
        }
    });
    world.arrives(&login)
}

/// The names of a login's signed headers.
fn names(sound: &Sound) -> Vec<String> {
    let (_, rest) = sound
        .login
        .authorization
        .split_once("SignedHeaders=")
        .expect("the list of signed headers");
    let list = rest.split(',').next().expect("a list");
    list.split(';').map(str::to_owned).collect()
}
