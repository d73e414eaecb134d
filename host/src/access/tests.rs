use super::*;

fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn user(uid: u32, gid: u32) -> Identity {
    Identity::User { uid, gid }
}

fn rule(who: Who, roles: &[Role]) -> Rule {
    Rule {
        who: vec![who],
        roles: roles.iter().copied().collect(),
        pools: None,
        workers: None,
        per_second: None,
    }
}

/// The roles that it has for all workers.
fn roles(access: &Access, identity: Identity) -> Vec<&'static str> {
    let caller = access.caller(identity);
    let has = Role::ALL
        .into_iter()
        .filter(|role| caller.may_for_all(*role));
    has.map(Role::as_str).collect()
}

#[test]
fn without_a_rule_programs_ask_and_report_and_the_hosts_user_may_do_everything() {
    let access = Access::default();
    assert_eq!(
        roles(&access, Identity::Loopback),
        ["view", "resolve", "report"]
    );
    assert_eq!(roles(&access, user(own(), 7)).len(), Role::ALL.len());
    assert_eq!(roles(&access, user(own() + 1, own())), [""; 0]);
    assert!(!access.is_for_other_users());
}

#[test]
fn a_rule_for_a_door_takes_the_place_of_the_standard_one_there_and_of_no_other() {
    let access = Access::new(vec![rule(Who::Loopback, &[Role::View])]);
    assert_eq!(roles(&access, Identity::Loopback), ["view"]);
    assert_eq!(roles(&access, user(own(), 7)).len(), Role::ALL.len());

    let access = Access::new(vec![rule(Who::Gid(50), &[Role::Operate])]);
    assert_eq!(roles(&access, user(1, 50)), ["operate"]);
    assert_eq!(roles(&access, user(own(), 7)), [""; 0]);
    assert_eq!(
        roles(&access, Identity::Loopback),
        ["view", "resolve", "report"]
    );
    assert!(access.is_for_other_users());
}

#[test]
fn a_user_of_another_namespace_is_nobody() {
    let unknown = [Who::Uid(UNKNOWN_USER), Who::Gid(UNKNOWN_USER), Who::Gid(50)];
    let access = Access::new(unknown.map(|who| rule(who, &Role::ALL)).into());
    for gid in [50, UNKNOWN_USER] {
        assert_eq!(roles(&access, user(UNKNOWN_USER, gid)), [""; 0]);
    }
    assert_eq!(roles(&access, user(1, UNKNOWN_USER)), [""; 0]);
}

#[test]
fn a_rule_holds_for_its_pools_and_names_only() {
    let mut of_some = rule(Who::Loopback, &[Role::Resolve]);
    of_some.pools = Some([PoolName::from("gpu")].into());
    of_some.workers = Some(vec!["chat".parse().unwrap(), "batch-*".parse().unwrap()]);
    let caller = Access::new(vec![of_some]).caller(Identity::Loopback);
    let may = |worker: &str, pool: &str| {
        caller.may(
            Role::Resolve,
            &WorkerId::from(worker),
            &PoolName::from(pool),
        )
    };
    let found = [
        ("chat", "gpu"),
        ("batch-7", "gpu"),
        ("chat-2", "gpu"),
        ("chat", "agents"),
    ];
    assert_eq!(
        found.map(|(worker, pool)| may(worker, pool)),
        [true, true, false, false]
    );
    assert!(!caller.may_for_all(Role::Resolve));
    assert!(caller.may_for_some(Role::Resolve));
    assert!(!caller.may_for_some(Role::View));
    assert!(caller.may_in(Role::Resolve, &PoolName::from("gpu")));
    assert!(!caller.may_in(Role::Resolve, &PoolName::from("agents")));
}

#[test]
fn several_rules_for_one_identity_add_up() {
    let mut of_one = rule(Who::Loopback, &[Role::Operate]);
    of_one.workers = Some(vec!["chat".parse().unwrap()]);
    let access = Access::new(vec![rule(Who::Loopback, &[Role::View]), of_one]);
    let caller = access.caller(Identity::Loopback);
    let (chat, batch, gpu) = (
        WorkerId::from("chat"),
        WorkerId::from("batch"),
        PoolName::from("gpu"),
    );
    assert!(caller.may(Role::Operate, &chat, &gpu) && !caller.may(Role::Operate, &batch, &gpu));
    assert!(caller.may(Role::View, &batch, &gpu));
}

#[test]
fn a_pattern_is_a_name_or_a_beginning() {
    for text in ["", "a*b", "**", "a b", "*a"] {
        let error = text.parse::<WorkerPattern>().unwrap_err();
        assert!(error.contains("\"chat-*\""), "{error}");
    }
    let all: WorkerPattern = "*".parse().unwrap();
    assert!(all.fits("chat") && all.name().is_none());
}

#[test]
fn all_sessions_of_an_identity_share_its_pace() {
    let access = Access::new(vec![Rule {
        who: vec![Who::Iam(
            "arn:aws:iam::123456789012:user/anna".parse().unwrap(),
        )],
        roles: [Role::View].into(),
        pools: None,
        workers: None,
        per_second: NonZeroU32::new(2),
    }]);
    let anna: Principal = "arn:aws:iam::123456789012:user/anna".parse().unwrap();
    let session = || access.caller(Identity::Iam(Arc::new(anna.clone())));
    let (one, other) = (session(), session());
    let now = Duration::from_secs(5);
    assert_eq!(one.count(now), Ok(()));
    assert_eq!(other.count(now), Ok(()));
    assert!(one.count(now).is_err() && other.count(now).is_err());
    let another = access.caller(Identity::Token("anna".into()));
    assert_eq!(another.count(now), Ok(()));
}
