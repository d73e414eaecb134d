# The standard resolve policy, rule for rule, to compare its speed: see policies/resolve.
# It does not refuse settings that are out of range.
package reeve.resolve

import rego.v1

# The order of the rules: the first rule with a verdict decides.
verdict := answer if { answer := home_answer }
else := answer if { answer := under_way }
else := answer if { answer := unseen }
else := answer if { answer := unknown_pointer }
else := answer if { answer := uncertain }
else := answer if { answer := backoff }
else := answer if { answer := renewal }

# --- settings ---------------------------------------------------------------------------------------

defaults := {
	"address_order": ["private", "public"],
	"serve_valid_ms": 30000,
	"observed_ms_max": 60000,
	"ip_pending_wait_ms": 2000,
	"boot_wait_ms": 5000,
	"not_visible_ms_max": 120000,
	"pointer_patience_ms": 300000,
	"no_capacity_wait_ms": 60000,
	"no_capacity_wait_ms_max": 240000,
	"failure_wait_ms": 2000,
	"failure_wait_ms_max": 60000,
	"start_stopped": true,
	"launch": true,
}

settings := defaults if { input.settings in {"", "{}"} }
else := object.union(defaults, json.unmarshal(input.settings))

# --- home: the adopted instance, or else the one that the pointer names
# -----------------------------

adopted_id := input.adopted.instance

is_adopted if { adopted_id }

home_id := adopted_id if { adopted_id }
else := input.pointer.names

home := facts if {
	some facts in input.instances
	facts.id == home_id
}

home_state := home.state if { home.state }
else := "unknown" if { home_id }

in_state_ms := home["in-state"].ms if { home["in-state"].ms }
else := 0

home_answer := answer if {
	home_state == "running"
	address
	answer := serve
}
else := answer if {
	home_state == "running"
	not address
	answer := ip_pending
}
else := answer if {
	home_state == "pending"
	answer := booting
}
else := answer if {
	not home_state in {"running", "pending"}
	is_adopted
	answer := uncertain
}

address := [kind | some kind in settings.address_order; home.addresses[kind]][0]

serve := wait(1000, "reading-old", text) if {
	not stop_under_way
	not is_fresh
	text := sprintf("%s ran when it was last read, which is too long ago to hand out its address.", [home.id])
}
else := answer if {
	not stop_under_way
	answer := {
		"action": {"serve": {"id": home.id, "address": address}},
		"reason": {"code": served.code, "text": sprintf("%s, %s, runs and has an address.", [home.id, served.whose])},
		"valid-for-ms": settings.serve_valid_ms,
		"memo": "",
	}
}

served := {"code": "serve-adopted", "whose": "the adopted instance"} if { is_adopted }
else := {"code": "serve-pointer", "whose": "the instance that the pointer names"}

is_fresh if { home.observed.ms <= settings.observed_ms_max }

# A stop in flight may be a stop of the instance that the pointer names.
stop_under_way if {
	not is_adopted
	input["in-flight"].stopping >= 0
}

# After `adopt` declined it, a live instance that only the pointer names is waited for, for a while.
is_waited_for if { is_adopted }

is_waited_for if {
	input.adoption == "declined"
	in_state_ms < settings.pointer_patience_ms
}

ip_pending := wait(settings.ip_pending_wait_ms, "ip-pending", text) if {
	is_waited_for
	text := sprintf("%s runs and has %s; nothing else is started.", [home.id, found_address])
}

found_address := "only an address of a kind that `address_order` leaves out" if { true in home.addresses }
else := "no address yet"

booting := wait(settings.boot_wait_ms, "booting", text) if {
	is_waited_for
	text := sprintf("%s has been booting for %s.", [home.id, since])
}

since := duration(home["in-state"].ms) if { duration(home["in-state"].ms) }
else := "an unknown time"

# Home may be live although the host does not know: no reading, or not visible for too short a time.
uncertain := wait(2000, "state-unknown", text) if {
	home_state == "unknown"
	text := sprintf("The state of %s could not be read, so it may run.", [home_id])
}
else := wait(2000, "not-visible", text) if {
	home_state == "not-visible"
	in_state_ms < settings.not_visible_ms_max
	text := sprintf(
		"The provider has not shown %s for %s; it counts as gone after %s.",
		[home_id, duration(in_state_ms), duration(settings.not_visible_ms_max)],
	)
}

# --- renewal: there is no live home -----------------------------------------------------------------

under_way := wait(settings.boot_wait_ms, code, text) if {
	some code, what in {"launching": "A launch", "starting": "A start", "stopping": "A stop"}
	since_ms := input["in-flight"][code]
	text := sprintf("%s has been in flight for %s.", [what, duration(since_ms)])
}

unseen := look_by_tag if {
	input.adoption == "not-asked"
	may_run_unseen
}
else := wait(2000, "adoption-lost", "The instance that was adopted in this pass is no longer running.") if {
	input.adoption == "taken"
}

may_run_unseen if { input.scanned == "none" }

may_run_unseen if {
	some facts in input.instances
	facts.state in {"pending", "running"}
}

look_by_tag := plain("adopt", "look-by-tag", text) if {
	text := sprintf(
		"%s is %s; a scan by tag comes first.",
		[home.id, object.get(in_words, home.state, home.state)],
	)
}
else := plain("adopt", "look-by-tag", "No instance is adopted or named; a scan by tag comes first.")

in_words := {
	"unknown": "unknown to the host",
	"not-visible": "not visible",
	"running": "running without an address",
	"shutting-down": "shutting down",
}

unknown_pointer := wait(2000, "pointer-unknown", text) if {
	not home_id
	input.pointer == "unknown"
	text := "The pointer could not be read, so it may name an instance that runs."
}

renewal := look_by_tag if {
	input.adoption == "not-asked"
	true in {settings.start_stopped, settings.launch}
}
else := plain({"start": id}, "start-stopped", text) if {
	settings.start_stopped
	id := preferred("stopped")
	text := sprintf("Nothing runs that could be the worker; its stopped instance %s starts.", [id])
}
else := wait(settings.boot_wait_ms, "stopping", text) if {
	settings.start_stopped
	text := sprintf("%s is stopping; it can be started after that.", [preferred("stopping")])
}
else := plain({"launch": 0}, "launch", "Nothing runs that could be the worker, and there is nothing to start.") if {
	settings.launch
}
else := plain({"unavailable": 60000}, "launch-disabled", text) if {
	text := "Nothing runs that could be the worker, and the settings forbid what would change that."
}

# Of the instances in this state: home, else the one that the pointer names, else the newest.
preferred(state) := id if {
	ids := [facts.id | some facts in input.instances; facts.state == state]
	id := [one | some one in array.concat(named, ids); one in ids][0]
}

named := array.concat([id | id := adopted_id], [id | id := input.pointer.names])

# --- backoff: how long to pause after a failure, in a pool with one capacity option -----------------

backoff := plain({"unavailable": remaining_ms}, kind.code, text) if {
	failure := input.failures[0]
	kind := failure_kinds[failure.kind]
	remaining_ms := pause_ms(failure) - failure["ago-ms"]
	remaining_ms > 0
	text := sprintf(
		"The last launch or start failed: %s (failure %d in a row); the next try is in %s.",
		[kind.what, failure.count, duration(remaining_ms)],
	)
}

failure_kinds := {
	"no-capacity": {"code": "no-capacity", "what": "the provider has no capacity"},
	"throttled": {"code": "throttled", "what": "the provider limits the rate of calls"},
	"denied": {"code": "denied", "what": "the host's credentials do not allow it"},
	"timed-out": {"code": "timed-out", "what": "the instance did not come up"},
	"other": {"code": "failed", "what": "the provider refused"},
}

pause_ms(failure) := 60000 if { failure.kind == "denied" }
else := grown(settings.no_capacity_wait_ms, failure.count, settings.no_capacity_wait_ms_max) if {
	failure.kind == "no-capacity"
}
else := grown(settings.failure_wait_ms, failure.count, settings.failure_wait_ms_max)

grown(first_ms, count, most_ms) := min({first_ms * bits.lsh(1, min({max({count - 1, 0}), 16})), most_ms})

# --- forms ------------------------------------------------------------------------------------------

wait(ms, code, text) := plain({"wait": ms}, code, text)

plain(action, code, text) := {
	"action": action,
	"reason": {"code": code, "text": text},
	"valid-for-ms": 0,
	"memo": "",
}

duration(ms) := sprintf("at least %s", [two_units(ms, 86400000, "d", 3600000, "h")]) if { ms == 4294967295 }
else := two_units(ms, 86400000, "d", 3600000, "h") if { ms >= 86400000 }
else := two_units(ms, 3600000, "h", 60000, "min") if { ms >= 3600000 }
else := two_units(ms, 60000, "min", 1000, "s") if { ms >= 60000 }
else := sprintf("%v s", [ms / 1000])

two_units(ms, large, large_name, small, small_name) := sprintf("%d %s", [count, large_name]) if {
	count := floor(ms / large)
	floor((ms % large) / small) == 0
}
else := sprintf("%d %s %d %s", [floor(ms / large), large_name, floor((ms % large) / small), small_name])
