//! Mutants with a new signature, over what must not be accepted or with what is no caller's key.

use reeve_identity::testing::sts::{Caller, Signing};

use super::{names, sound};
use crate::chance::Chance;
use crate::world::{Attempt, FLEET, REGIONS, World};

pub(super) fn other_fleet(chance: &mut Chance) -> String {
    match chance.below(6) {
        0 => "Studio".to_owned(),
        1 => "studio2".to_owned(),
        2 => "studi".to_owned(),
        3 => format!("studio,{}", chance.hex(4)),
        4 => format!("{},studio", chance.hex(4)),
        _ => chance.hex(8),
    }
}

pub(super) fn other_audience_signed(world: &World, chance: &mut Chance) -> Attempt {
    let sound = sound(world, chance);
    let fleet = other_fleet(chance);
    let mut signing = sound.signing.clone();
    if chance.coin() {
        // This fleet's name as well, in a second header.
        let header = ("x-reeve-audience".to_owned(), fleet);
        let place = chance.below(signing.headers.len());
        signing.headers.insert(place, header);
        signing.signed_headers = Some(names(sound));
    } else {
        signing = signing.header("x-reeve-audience", &fleet);
    }
    world.arrives(&sound.caller.sign_request(&signing))
}

/// The right names and times, without the right key.
pub(super) fn forged(world: &World, chance: &mut Chance) -> Attempt {
    let sound = sound(world, chance);
    let mut caller = sound.caller.clone();
    match chance.below(4) {
        0 => caller.secret_key = chance.hex(40),
        1 => caller.secret_key = String::new(),
        // The own key of another caller.
        2 => caller.secret_key = "only/for/tests/AKIAEXAMPLE000000009".to_owned(),
        _ => {
            let mut login = sound.login.clone();
            let length = login.authorization.len() - 64;
            login.authorization.truncate(length);
            login.authorization.push_str(&chance.hex(64));
            return world.arrives(&login);
        }
    }
    world.arrives(&caller.sign_request(&sound.signing))
}

/// A signature with the key for one region, sent as one for another.
pub(super) fn other_region(world: &World, chance: &mut Chance) -> Attempt {
    let sound = sound(world, chance);
    let here = sound.signing.region.clone();
    let there = match chance.below(8) {
        0 => "us-west-2",
        1 => "us-iso-east-1",
        _ => {
            *chance.pick(&REGIONS.map(|region| if region == here { "aws-global" } else { region }))
        }
    };
    let mut signing = sound.signing.clone();
    signing.scope_region = there.to_owned();
    if chance.coin() {
        signing = signing.header("host", &format!("sts.{there}.amazonaws.com"));
    }
    let mut login = sound.caller.sign_request(&signing);
    if chance.coin() {
        // The scope's text says here; its key is of there.
        login.authorization = login
            .authorization
            .replace(&format!("/{there}/"), &format!("/{here}/"));
    } else if chance.coin() {
        // The whole login says there, and the signed host is of here.
        login.region = there.to_owned();
        let host = format!("sts.{here}.amazonaws.com");
        let signing = signing.header("host", &host);
        login.authorization = sound.caller.sign_request(&signing).authorization;
    }
    world.arrives(&login)
}

pub(super) fn other_service(world: &World, chance: &mut Chance) -> Attempt {
    let sound = sound(world, chance);
    let mut signing = sound.signing.clone();
    signing.service = (*chance.pick(&["s3", "iam", "ec2", "STS", "", "sts/sts"])).to_owned();
    let service = format!("/{}/aws4", signing.service);
    let mut login = sound.caller.sign_request(&signing);
    if chance.coin() {
        login.authorization = login.authorization.replace(&service, "/sts/aws4");
    }
    world.arrives(&login)
}

/// A sound signature over another request than the host's.
pub(super) fn other_request(world: &World, chance: &mut Chance) -> Attempt {
    let sound = sound(world, chance);
    let mut signing = sound.signing.clone();
    match chance.below(10) {
        0 => signing.method = "GET".to_owned(),
        1 => signing.method = "PUT".to_owned(),
        2 => signing.path = "//".to_owned(),
        3 => signing.path = format!("/{}", chance.hex(3)),
        4 => signing.query = "Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
        5 => signing.body = String::new(),
        6 => signing.body.push('&'),
        7 => {
            signing.body = "Version=2011-06-15&Action=GetCallerIdentity".to_owned();
        }
        8 => signing.body = "Action=GetSessionToken&Version=2011-06-15".to_owned(),
        _ => signing = signing.header("content-type", "application/x-www-form-urlencoded"),
    }
    if chance.coin() {
        signing.method = "GET".to_owned();
    }
    world.arrives(&sound.caller.sign_request(&signing))
}

/// A sound signature over too few headers, over headers that the host does not send, or over a list
/// of another form.
pub(super) fn other_headers(world: &World, chance: &mut Chance) -> Attempt {
    let sound = sound(world, chance);
    let mut signing = sound.signing.clone();
    let mut names = names(sound);
    let place = chance.below(names.len());
    match chance.below(6) {
        0 => names.retain(|name| name != "x-reeve-audience"),
        1 => names.retain(|name| name != "host" && name != "x-amz-date"),
        2 => names.insert(place, names[place].clone()),
        3 => names.reverse(),
        4 => names[place].make_ascii_uppercase(),
        _ => {
            let name = format!("x-{}", chance.hex(4));
            signing = signing.header(&name, "1");
            names.push(name);
            names.sort_unstable();
        }
    }
    signing.signed_headers = Some(names);
    world.arrives(&sound.caller.sign_request(&signing))
}

pub(super) fn other_token(world: &World, chance: &mut Chance) -> Attempt {
    let sound = sound(world, chance);
    let mut login = sound.login.clone();
    match chance.below(6) {
        // The signature covers a token that is not sent.
        0 if login.x_amz_security_token.is_some() => login.x_amz_security_token = None,
        // A token that no signature covers.
        0 => login.x_amz_security_token = Some(chance.hex(40)),
        1 => {
            let mut caller = sound.caller.clone();
            caller.security_token = Some(chance.hex(40));
            login = caller.sign_request(&sound.signing);
        }
        2 => {
            let caller = Caller {
                security_token: Some(world.expiring.security_token.clone().unwrap_or_default()),
                ..sound.caller.clone()
            };
            login = caller.sign_request(&sound.signing);
        }
        3 => login = world.expiring.sign_request(&sound.signing),
        4 => {
            // A sound token that is sent, and not signed.
            let caller = &world.sound[2].caller;
            let signing = Signing::new(REGIONS[0], FLEET, world.at);
            let mut unsigned = signing.clone();
            unsigned.signed_headers = Some(
                signing
                    .headers
                    .iter()
                    .map(|(name, _)| name.clone())
                    .collect(),
            );
            if let Some(names) = &mut unsigned.signed_headers {
                names.sort_unstable();
            }
            login = caller.sign_request(&unsigned);
        }
        _ => {
            let token = login.x_amz_security_token.unwrap_or_default();
            login.x_amz_security_token =
                Some(format!("{token}{}", chance.pick(&["\r\n", "=", "x"])));
        }
    }
    world.arrives(&login)
}
