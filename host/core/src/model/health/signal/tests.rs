use super::*;
use Sign::{Bad, Good, Unavailable};
use Standing::{Down, Unknown, Up};

const THRESHOLDS: (u32, u32) = (3, 2);

fn after(signs: &[Sign]) -> Signal {
    let mut signal = Signal::unread(Instant::from_ms(0));
    for (second, sign) in (1..).zip(signs) {
        let at = Instant::from_ms(second * 1_000);
        let observation = Observation::new(*sign, "");
        signal.take_in(observation, at, true, THRESHOLDS);
    }
    signal
}

#[test]
fn a_row_concludes_at_its_threshold_and_not_before() {
    let cases: [(&[Sign], Standing, u32); 9] = [
        (&[], Unknown, 0),
        (&[Good], Up, 0),
        (&[Bad, Bad], Unknown, 2),
        (&[Bad, Bad, Bad], Down, 3),
        (&[Good, Bad, Bad], Up, 2),
        (&[Bad, Bad, Good, Bad, Bad], Up, 2),
        (&[Bad, Bad, Bad, Good], Down, 0),
        (&[Bad, Bad, Bad, Good, Good], Up, 0),
        (&[Bad, Bad, Bad, Good, Bad, Good], Down, 0),
    ];
    for (signs, standing, failures) in cases {
        let found = after(signs);
        assert_eq!(
            (found.standing, found.failures()),
            (standing, failures),
            "{signs:?}"
        );
    }
}

#[test]
fn an_unavailable_reading_concludes_nothing_and_ends_a_row() {
    let cases: [(&[Sign], Standing); 5] = [
        (&[Unavailable; 50], Unknown),
        (&[Bad, Bad, Unavailable, Bad, Bad], Unknown),
        (&[Bad, Bad, Bad, Unavailable], Down),
        (&[Good, Unavailable, Unavailable, Unavailable], Up),
        (&[Bad, Bad, Bad, Good, Unavailable, Good], Down),
    ];
    for (signs, standing) in cases {
        assert_eq!(after(signs).standing, standing, "{signs:?}");
    }
}

#[test]
fn each_reading_keeps_when_it_was_and_since_when_it_is_so() {
    let found = after(&[Good, Bad, Bad]);
    let at = |second: u64| Instant::from_ms(second * 1_000);
    assert_eq!(
        (found.at, found.since, found.row_since),
        (at(3), at(2), at(2))
    );
}

#[test]
fn one_bad_signal_is_enough_unless_all_that_are_available_must_be_bad() {
    let http = SignalKind::Http;
    let heartbeat = SignalKind::Heartbeat;
    let down: &[Sign] = &[Bad, Bad, Bad];
    let (two, up): (&[Sign], &[Sign]) = (&[Bad, Bad], &[Good]);
    let gone: &[Sign] = &[Bad, Bad, Bad, Unavailable];
    let back: &[Sign] = &[Bad, Bad, Bad, Good];
    let well: &[Sign] = &[Bad, Bad, Bad, Good, Good];
    let away: &[Sign] = &[Unavailable];
    // The signals; the results by `any` and by `all`; whether the worker is well by each.
    let cases = [
        (down, up, Some(http), None, (false, true)),
        (up, down, Some(heartbeat), None, (false, true)),
        (down, down, Some(http), Some(http), (false, false)),
        (down, two, Some(http), None, (false, false)),
        (down, away, Some(http), Some(http), (false, false)),
        (away, away, None, None, (false, false)),
        (gone, up, None, None, (false, true)),
        (back, up, None, None, (false, true)),
        (gone, gone, None, None, (false, false)),
        (well, up, None, None, (true, true)),
        (well, away, None, None, (true, true)),
        (two, up, None, None, (false, false)),
    ];
    for (first, second, any, all, well) in cases {
        let signals = Signals::from([(http, after(first)), (heartbeat, after(second))]);
        let told = format!("{first:?} {second:?}");
        for rule in [RestartRule::Any, RestartRule::Never] {
            assert_eq!(bad_signal(rule, &signals), any, "{rule:?} {told}");
            assert_eq!(is_well(rule, &signals), well.0, "{rule:?} {told}");
        }
        assert_eq!(bad_signal(RestartRule::All, &signals), all, "{told}");
        assert_eq!(is_well(RestartRule::All, &signals), well.1, "{told}");
    }
}
