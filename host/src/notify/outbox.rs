//! Decides what one webhook is sent next, and when. It has no clock and no network: the caller
//! passes times and outcomes in.

use std::collections::VecDeque;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use reeve_core::time::Instant;

use super::message::{Kind, LeftOut, Message};
use super::pace::{MINUTE, Pace};
use super::retry::{Outcome, Retry, Verdict};

/// Messages queued while a webhook does not respond. More than this would not be read afterwards.
const WAITING_MAX: usize = 100;

/// Counts of messages by their fate; see `Metrics::notifications`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sent: Counter,
    /// Replaced by newer messages, or still queued when the host ended.
    pub(crate) dropped: Counter,
    /// Omitted by the rate limit.
    pub(crate) left_out: Counter,
    /// Failed after the last attempt.
    pub(crate) failed: Counter,
}

/// The messages of one webhook.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: VecDeque<Arc<Message>>,
    under_way: Option<UnderWay>,
    pace: Pace,
    retry: Retry,
    counters: Counters,
    /// Messages not delivered so far: over the rate limit, dropped from a full queue, or failed.
    left_out: LeftOut,
    /// When the last summary of omitted messages was sent.
    told_left_out_at: Option<Instant>,
    /// When the last unproven notice was sent.
    told_unproven_at: Option<Instant>,
    /// Whether the last message was delivered. While it was not, no summary is sent.
    delivers: bool,
    /// No message is sent before this instant.
    rests_until: Instant,
    /// The host shuts down: queued messages are sent, and no wait is started.
    closing: bool,
}

/// A message that is being sent.
#[derive(Debug)]
struct UnderWay {
    message: Arc<Message>,
    /// The omitted messages it reports, if it is a summary.
    tells: LeftOut,
    /// Requests made for it so far.
    tries: u32,
    since: Instant,
    again_at: Instant,
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this message, then report the outcome.
    Send(Arc<Message>),
    /// Ask again at this instant, or when a message is queued.
    WaitUntil(Instant),
    /// Ask again when a message is queued.
    Nothing,
}

impl Outbox {
    pub(crate) fn new(per_minute_max: usize, retry: Retry, counters: Counters) -> Self {
        Self {
            waiting: VecDeque::new(),
            under_way: None,
            pace: Pace::new(per_minute_max),
            retry,
            counters,
            left_out: LeftOut::new(),
            told_left_out_at: None,
            told_unproven_at: None,
            delivers: true,
            rests_until: Instant::from_ms(0),
            closing: false,
        }
    }

    /// Queues a message. If the queue is full, the oldest message is dropped, because newer ones
    /// matter more. An unproven notice displaces none, and waits for no place of theirs: it has one
    /// of its own, and does not count against the limit.
    pub(crate) fn push(&mut self, message: Arc<Message>) {
        let is_unproven = |it: &Message| it.kind == Kind::Unproven;
        let has_place = || {
            let is_full = self.waiting.len() == WAITING_MAX;
            !is_full && !self.waiting.iter().any(|it| is_unproven(it))
        };
        if is_unproven(&message) && !has_place() {
            self.counters.left_out.inc();
            return self.leave_out(&message);
        }
        if self.waiting.len() == WAITING_MAX
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.counters.dropped.inc();
            self.leave_out(&oldest);
        }
        self.waiting.push_back(message);
    }

    /// Marks the shutdown: from then on no message waits for a later time.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    /// Whether the host shuts down.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Drops all unsent messages at the end of the shutdown. Returns how many.
    pub(crate) fn abandon(&mut self) -> u64 {
        let under_way = self
            .under_way
            .take()
            .into_iter()
            .map(|under_way| under_way.message);
        let left = under_way.chain(self.waiting.drain(..));
        let count = left.filter(|message| message.kind != Kind::LeftOut).count() as u64;
        self.counters.dropped.inc_by(count);
        count
    }

    /// What to do at this instant.
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        if self.rests_until > now {
            return Next::WaitUntil(self.rests_until);
        }
        if let Some(under_way) = &self.under_way {
            return match under_way.again_at {
                again_at if again_at > now => Next::WaitUntil(again_at),
                _ => Next::Send(Arc::clone(&under_way.message)),
            };
        }
        while let Some(message) = self.waiting.pop_front() {
            // During a shutdown, the summary is sent once, after all messages.
            if !self.closing && self.tells_left_out_at().is_some_and(|at| at <= now) {
                self.waiting.push_front(message);
                return self.tell_left_out(now);
            }
            let may_be_sent = match message.kind {
                Kind::Unproven => self.may_tell_unproven(now),
                _ => self.pace.take(now),
            };
            if may_be_sent {
                return self.begin(message, LeftOut::new(), now);
            }
            self.counters.left_out.inc();
            self.leave_out(&message);
        }
        match self.tells_left_out_at() {
            Some(at) if at <= now => self.tell_left_out(now),
            Some(at) => Next::WaitUntil(at),
            None => Next::Nothing,
        }
    }

    /// Handles the outcome of the message that was being sent.
    pub(crate) fn answered(&mut self, outcome: &Outcome, now: Instant) -> Verdict {
        let Some(mut under_way) = self.under_way.take() else {
            return Verdict::Delivered;
        };
        under_way.tries += 1;
        let verdict = self
            .retry
            .judge(outcome, under_way.tries, under_way.since, now);
        match verdict {
            Verdict::Delivered => {
                self.counters.sent.inc();
                self.delivers = true;
            }
            Verdict::Again(at) => {
                under_way.again_at = at;
                self.under_way = Some(under_way);
            }
            Verdict::GivenUp(rests_until) => {
                self.counters.failed.inc();
                self.delivers = false;
                self.rests_until = rests_until;
                if under_way.message.kind == Kind::LeftOut {
                    for (step, count) in under_way.tells {
                        *self.left_out.entry(step).or_default() += count;
                    }
                } else {
                    self.leave_out(&under_way.message);
                }
            }
        }
        verdict
    }

    /// Whether an unproven notice may be sent: one a minute.
    fn may_tell_unproven(&mut self, now: Instant) -> bool {
        let may = (self.told_unproven_at).is_none_or(|told| told + MINUTE <= now);
        if may {
            self.told_unproven_at = Some(now);
        }
        may
    }

    fn begin(&mut self, message: Arc<Message>, tells: LeftOut, now: Instant) -> Next {
        self.under_way = Some(UnderWay {
            message: Arc::clone(&message),
            tells,
            tries: 0,
            since: now,
            again_at: now,
        });
        Next::Send(message)
    }

    fn leave_out(&mut self, message: &Message) {
        *self.left_out.entry(message.step).or_default() += 1;
    }

    /// When to send a summary of omitted messages: when the rate limit has room again, at most once
    /// a minute. It does not count against the limit; otherwise a limit of one per minute would
    /// allow only summaries.
    fn tells_left_out_at(&self) -> Option<Instant> {
        if self.left_out.is_empty() || !self.delivers {
            return None;
        }
        if self.closing {
            return Some(Instant::from_ms(0));
        }
        let next = self
            .told_left_out_at
            .map_or(Instant::from_ms(0), |told| told + MINUTE);
        Some(self.pace.room_at().max(next))
    }

    fn tell_left_out(&mut self, now: Instant) -> Next {
        let left_out = std::mem::take(&mut self.left_out);
        self.told_left_out_at = Some(now);
        let message = Arc::new(Message::left_out(&left_out, now));
        self.begin(message, left_out, now)
    }
}

#[cfg(test)]
mod tests {
    use reeve_core::notice::Level;
    use reeve_core::time::Millis;

    use super::*;

    const TAKEN: Outcome = Outcome::Accepted(200);

    fn outbox(per_minute_max: usize) -> Outbox {
        Outbox::new(per_minute_max, Retry::default(), Counters::default())
    }

    fn message(number: usize) -> Arc<Message> {
        Arc::new(Message {
            kind: Kind::Notice,
            worker: Some("chat".to_owned()),
            step: "instance_ending",
            level: Level::Warning,
            text: number.to_string(),
            fields: Vec::new(),
            at: Instant::from_ms(0),
        })
    }

    fn at(ms: u64) -> Instant {
        Instant::from_ms(1_000_000) + Millis::new(ms)
    }

    fn down() -> Outcome {
        Outcome::Unanswered("no route".to_owned())
    }

    /// Sends everything due at this instant to a webhook that accepts it. Returns the texts.
    fn send_all(outbox: &mut Outbox, now: Instant) -> Vec<String> {
        let mut sent = Vec::new();
        while let Next::Send(message) = outbox.next(now) {
            sent.push(message.text.clone());
            assert_eq!(outbox.answered(&TAKEN, now), Verdict::Delivered);
        }
        sent
    }

    #[test]
    fn beyond_the_limit_messages_are_counted_and_one_message_says_how_many() {
        let mut outbox = outbox(3);
        (0..10).for_each(|number| outbox.push(message(number)));
        assert_eq!(send_all(&mut outbox, at(0)), ["0", "1", "2"]);
        assert_eq!(outbox.next(at(0)), Next::WaitUntil(at(60_000)));
        assert_eq!(outbox.counters.left_out.get(), 7);
        assert!(send_all(&mut outbox, at(59_999)).is_empty());
        let told = "7 more messages were left out: 7 instance_ending; the host's log has them";
        assert_eq!(send_all(&mut outbox, at(60_000)), [told]);
        assert_eq!(outbox.next(at(60_000)), Next::Nothing);
        assert_eq!(outbox.counters.sent.get(), 4);
    }

    #[test]
    fn a_steady_stream_has_its_messages_and_one_summary_a_minute() {
        let mut outbox = outbox(1);
        let mut sent = Vec::new();
        for second in 0..180 {
            outbox.push(message(second));
            sent.extend(send_all(&mut outbox, at(second as u64 * 1_000)));
        }
        let summary = |count| {
            format!(
                "{count} more messages were left out: {count} instance_ending; the host's log has them"
            )
        };
        assert_eq!(
            sent,
            [
                "0".to_owned(),
                summary(59),
                "60".to_owned(),
                summary(59),
                "120".to_owned()
            ]
        );
    }

    /// A notice that any client can cause.
    fn unproven(number: usize) -> Arc<Message> {
        Arc::new(Message {
            kind: Kind::Unproven,
            text: format!("unproven {number}"),
            ..Message::clone(&message(number))
        })
    }

    #[test]
    fn a_flood_of_unproven_notices_takes_no_place_of_an_alarm() {
        let mut outbox = outbox(3);
        // While the webhook is down, the queue fills with them, and then with alarms.
        (0..1_000).for_each(|number| outbox.push(unproven(number)));
        (0..3).for_each(|number| outbox.push(message(number)));
        let sent = send_all(&mut outbox, at(0));
        assert!(
            sent[0].starts_with("999 more messages were left out"),
            "{}",
            sent[0]
        );
        assert_eq!(sent[1..], ["unproven 0", "0", "1", "2"]);
        assert_eq!(outbox.counters.dropped.get(), 0);
        assert_eq!(outbox.counters.left_out.get(), 999);
        // A minute of one each second, and alarms at its end.
        for second in 1..=60 {
            outbox.push(unproven(second));
            let sent = send_all(&mut outbox, at(second as u64 * 1_000 - 1));
            assert!(sent.is_empty(), "{sent:?}");
        }
        (0..3).for_each(|number| outbox.push(message(number)));
        let sent = send_all(&mut outbox, at(60_000));
        assert!(
            sent[0].starts_with("60 more messages were left out"),
            "{}",
            sent[0]
        );
        assert_eq!(sent[1..], ["0", "1", "2"]);
    }

    #[test]
    fn a_full_queue_of_alarms_is_left_alone() {
        let mut outbox = outbox(1_000);
        (0..WAITING_MAX).for_each(|number| outbox.push(message(number)));
        outbox.push(unproven(0));
        assert_eq!(outbox.counters.dropped.get(), 0);
        assert_eq!(outbox.waiting[0].text, "0");
    }

    #[test]
    fn a_full_queue_drops_the_oldest_and_counts_it() {
        let mut outbox = outbox(1_000);
        (0..WAITING_MAX + 3).for_each(|number| outbox.push(message(number)));
        assert_eq!(outbox.counters.dropped.get(), 3);
        let sent = send_all(&mut outbox, at(0));
        assert!(
            sent[0].starts_with("3 more messages were left out"),
            "{}",
            sent[0]
        );
        assert_eq!(sent[1], "3", "the oldest that is left");
        assert_eq!(sent.len(), 1 + WAITING_MAX);
    }

    #[test]
    fn a_message_is_tried_again_after_its_wait_and_the_others_wait_behind_it() {
        let mut outbox = outbox(10);
        outbox.push(message(1));
        outbox.push(message(2));
        assert_eq!(outbox.next(at(0)), Next::Send(message(1)));
        assert_eq!(outbox.answered(&down(), at(0)), Verdict::Again(at(1_000)));
        assert_eq!(outbox.next(at(999)), Next::WaitUntil(at(1_000)));
        assert_eq!(send_all(&mut outbox, at(1_000)), ["1", "2"]);
    }

    #[test]
    fn a_dropped_message_is_reported_once_the_webhook_works_again() {
        let mut outbox = outbox(10);
        outbox.push(message(1));
        let mut now = at(0);
        loop {
            assert_eq!(outbox.next(now), Next::Send(message(1)));
            match outbox.answered(&down(), now) {
                Verdict::Again(again) => now = again,
                Verdict::GivenUp(_) => break,
                Verdict::Delivered => panic!("nothing was delivered"),
            }
        }
        assert_eq!(outbox.counters.failed.get(), 1);
        assert_eq!(
            outbox.next(now),
            Next::Nothing,
            "a failed webhook gets no summary of its own"
        );
        outbox.push(message(2));
        let told = "1 more message was left out: 1 instance_ending; the host's log has it";
        assert_eq!(send_all(&mut outbox, now), ["2", told]);
    }

    #[test]
    fn a_webhook_that_asks_for_a_long_rest_gets_it() {
        let mut outbox = outbox(10);
        outbox.push(message(1));
        outbox.push(message(2));
        assert_eq!(outbox.next(at(0)), Next::Send(message(1)));
        let limited = Outcome::Refused {
            status: 429,
            retry_after: Some(Millis::from_secs(600)),
            said: None,
        };
        assert_eq!(
            outbox.answered(&limited, at(0)),
            Verdict::GivenUp(at(600_000))
        );
        assert_eq!(outbox.next(at(599_999)), Next::WaitUntil(at(600_000)));
        assert_eq!(outbox.next(at(600_000)), Next::Send(message(2)));
    }

    #[test]
    fn a_summary_that_is_not_delivered_is_not_lost() {
        let mut outbox = outbox(1);
        (0..3).for_each(|number| outbox.push(message(number)));
        assert_eq!(send_all(&mut outbox, at(0)), ["0"]);
        let not_wanted = Outcome::Refused {
            status: 404,
            retry_after: None,
            said: None,
        };
        assert!(matches!(outbox.next(at(60_000)), Next::Send(_)));
        outbox.answered(&not_wanted, at(60_000));
        assert_eq!(outbox.next(at(60_000)), Next::Nothing);
        outbox.push(message(3));
        assert_eq!(send_all(&mut outbox, at(120_000))[0], "3");
        let told = send_all(&mut outbox, at(180_000));
        assert!(told[0].starts_with("2 more messages"), "{told:?}");
    }

    #[test]
    fn an_outbox_that_closes_waits_for_no_minute_and_tells_what_it_left_out_last() {
        let mut outbox = outbox(2);
        (0..5).for_each(|number| outbox.push(message(number)));
        outbox.close();
        let told = "3 more messages were left out: 3 instance_ending; the host's log has them";
        assert_eq!(send_all(&mut outbox, at(1)), ["0", "1", told]);
        assert_eq!(outbox.next(at(1)), Next::Nothing);
    }

    #[test]
    fn an_abandoned_message_counts_as_dropped() {
        let mut outbox = outbox(10);
        (0..3).for_each(|number| outbox.push(message(number)));
        assert_eq!(outbox.next(at(0)), Next::Send(message(0)));
        assert_eq!(outbox.abandon(), 3);
        assert_eq!(outbox.counters.dropped.get(), 3);
        assert_eq!(outbox.next(at(0)), Next::Nothing);
    }
}
