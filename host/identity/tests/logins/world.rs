//! A fleet, its callers, and the STS of three regions.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use reeve_identity::login::{Login, Principal, read_reply};
use reeve_identity::testing::sts::{Caller, Request, Signing, Sts};

/// The fleet that logins are for.
pub(crate) const FLEET: &str = "studio";
/// The host's regions. Each has an STS.
pub(crate) const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "cn-north-1"];

/// The host's regions, and the STS of each by its host name.
pub(crate) struct World {
    /// The time of signing.
    pub(crate) at: Timestamp,
    pub(crate) sound: Vec<Sound>,
    /// A caller whose credentials expire one second after the time of signing.
    pub(crate) expiring: Caller,
    regions: Vec<String>,
    sts: BTreeMap<String, Sts>,
}

/// A login that is accepted.
pub(crate) struct Sound {
    pub(crate) caller: Caller,
    pub(crate) signing: Signing,
    pub(crate) login: Login,
    pub(crate) arn: &'static str,
}

/// A login as it arrives at a host.
pub(crate) struct Attempt {
    pub(crate) json: Vec<u8>,
    /// The fleet of the host.
    pub(crate) audience: String,
    pub(crate) now: Timestamp,
}

/// The outcome of an accepted login.
pub(crate) struct Accepted {
    pub(crate) principal: Principal,
    pub(crate) digest: [u8; 32],
}

impl World {
    pub(crate) fn new() -> Self {
        let at: Timestamp = "2026-01-01T00:02:00Z".parse().expect("a time");
        let alice = caller("AKIAEXAMPLE000000001", None);
        let role = caller("ASIAEXAMPLE000000002", Some("FwoGZXIvYXdzEExample//2=="));
        let china = caller("ASIAEXAMPLE000000003", Some("FwoGZXIvYXdzEExample//3=="));
        let expiring = caller("ASIAEXAMPLE000000004", Some("FwoGZXIvYXdzEExample//4=="));
        let sign = |region| Signing::new(region, FLEET, at);
        let digest = "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843";
        let all = sign(REGIONS[0])
            .header("content-length", "43")
            .header("x-amz-content-sha256", digest);
        let least = sign(REGIONS[1]).without("content-type");
        let sound = vec![
            Sound::new(&alice, sign(REGIONS[1]), ALICE),
            Sound::new(&alice, least, ALICE),
            Sound::new(&role, sign(REGIONS[0]), ROLE),
            Sound::new(&role, all, ROLE),
            Sound::new(&china, sign(REGIONS[2]), CHINA),
        ];
        let sts = |region: &str| {
            let sts = Sts::new(region);
            if region == REGIONS[2] {
                return sts.with(&china, CHINA);
            }
            sts.with(&alice, ALICE).with(&role, ROLE).with_expiring(
                &expiring,
                ROLE,
                at + SignedDuration::from_secs(1),
            )
        };
        let sts = REGIONS.map(|region| {
            let suffix = if region == REGIONS[2] { ".cn" } else { "" };
            (format!("sts.{region}.amazonaws.com{suffix}"), sts(region))
        });
        Self {
            at,
            sound,
            regions: REGIONS.map(str::to_owned).to_vec(),
            sts: sts.into(),
            expiring,
        }
    }

    /// A login at this world's fleet, one second after its signing.
    pub(crate) fn arrives(&self, login: &Login) -> Attempt {
        Attempt {
            json: serde_json::to_vec(login).expect("JSON"),
            audience: FLEET.to_owned(),
            now: self.at + SignedDuration::from_secs(1),
        }
    }

    /// Does what a host does with a login, except that nothing is remembered. The error is the code
    /// of the refusal.
    pub(crate) fn attempt(&self, attempt: &Attempt) -> Result<Accepted, String> {
        let login = Login::read(&attempt.json).map_err(|error| error.code().to_owned())?;
        let question = login
            .question(&attempt.audience, &self.regions, attempt.now)
            .map_err(|error| error.code().to_owned())?;
        for (name, value) in question.headers() {
            assert!(
                value
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() || byte == b' '),
                "{name}: {value:?}"
            );
        }
        let sts = &self.sts[question.host()];
        let response = sts.answer(&Request::from(&question), attempt.now);
        let principal = read_reply(
            response.status,
            Some(response.content_type),
            response.body.as_bytes(),
        )
        .map_err(|error| error.to_string().chars().take(60).collect::<String>())?;
        Ok(Accepted {
            principal,
            digest: *question.signature_digest(),
        })
    }

    /// Whether an accepted attempt has the members, the identity and the signature of a sound
    /// login, in time and for this fleet. So it is that login.
    pub(crate) fn means_the_same(&self, attempt: &Attempt, accepted: &Accepted) -> bool {
        let login = Login::read(&attempt.json).expect("an accepted login is readable");
        let is_in_time = attempt.now.duration_since(self.at).abs() <= SignedDuration::from_mins(5);
        let is_sound = self.sound.iter().any(|sound| {
            let original = self.attempt(&self.arrives(&sound.login));
            let original = original.expect("a sound login is accepted");
            meaning(&sound.login) == meaning(&login)
                && accepted.principal.arn == sound.arn
                && accepted.digest == original.digest
        });
        is_in_time && attempt.audience == FLEET && is_sound
    }
}

impl Sound {
    fn new(caller: &Caller, signing: Signing, arn: &'static str) -> Self {
        Self {
            caller: caller.clone(),
            login: caller.sign_request(&signing),
            signing,
            arn,
        }
    }
}

const ALICE: &str = "arn:aws:iam::123456789012:user/ops/alice";
const ROLE: &str = "arn:aws:sts::123456789012:assumed-role/chat-callers/resolve-chat";
const CHINA: &str = "arn:aws-cn:sts::210987654321:assumed-role/chat-callers/resolve-chat";

fn caller(access_key: &str, token: Option<&str>) -> Caller {
    Caller {
        access_key: access_key.to_owned(),
        secret_key: format!("only/for/tests/{access_key}"),
        security_token: token.map(str::to_owned),
    }
}

/// The members of a login, without the spaces that AWS leaves optional.
fn meaning(login: &Login) -> Login {
    Login {
        authorization: login.authorization.replace(", ", ","),
        ..login.clone()
    }
}
