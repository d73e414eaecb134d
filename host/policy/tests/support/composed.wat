(component
  (component $echo
    (core module $code
      (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
      (func (export "echo") (param $at i32) (param $length i32) (result i32)
        (i32.store (i32.const 16) (local.get $at))
        (i32.store (i32.const 20) (local.get $length))
        (i32.const 16)))
    (core instance $code (instantiate $code))
    (func (export "echo") (param "text" string) (result string)
      (canon lift (core func $code "echo")
        (memory (core memory $code "memory")) (realloc (core func $code "realloc")))))
  (component $retry
    (import "echo" (func $echo (param "text" string) (result string)))
    ;; The answer at 1024: a verdict to look again in 500 ms, its reason's code at 2048. The reason's text
    ;; comes back from the other component.
    (core module $memory
      (memory (export "memory") 1)
      (data (i32.const 1024) "\00\00\00\00\00\00\00\00\f4\01\00\00\00\08\00\00\05\00\00\00\00\00\00\00\00\00\00\00\e8\03\00\00")
      (data (i32.const 2048) "again")
      (data (i32.const 2064) "went there and back")
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
    (core instance $memory (instantiate $memory))
    (core func $lowered (canon lower (func $echo)
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
    (core module $code
      (import "memory" "memory" (memory 1))
      (import "echo" "echo" (func $echo (param i32 i32 i32)))
      (func (export "decide") (param i32) (result i32)
        (call $echo (i32.const 2064) (i32.const 19) (i32.const 2100))
        (i32.store (i32.const 1044) (i32.load (i32.const 2100)))
        (i32.store (i32.const 1048) (i32.load (i32.const 2104)))
        (i32.const 1024)))
    (core instance $code (instantiate $code
      (with "memory" (instance $memory))
      (with "echo" (instance (export "echo" (func $lowered))))))
    (type $age (variant (case "none") (case "ms" u32)))
    (type $reason (record (field "code" string) (field "text" string)))
    (type $wish (enum "on-demand" "running"))
    (type $label (record (field "key" string) (field "value" string) (field "others-up" u32)))
    (type $local-time (record
      (field "weekday" u8) (field "hour" u8) (field "minute" u8) (field "offset-min" s16)))
    (type $worker (record
      (field "name" string) (field "labels" (list $label)) (field "wish" $wish) (field "now" $local-time)))
    (type $instance-state (enum
      "unknown" "not-visible" "pending" "running" "stopping" "stopped" "shutting-down" "terminated"))
    (type $addresses (record (field "private" bool) (field "public" bool)))
    (type $instance-facts (record
      (field "id" string) (field "state" $instance-state) (field "observed" $age) (field "in-state" $age)
      (field "launched" $age) (field "addresses" $addresses)))
    (type $next (variant (case "again" u32) (case "give-up" u32) (case "abandon")))
    (type $input (record
      (field "worker" $worker) (field "instance" $instance-facts) (field "tries" u32)
      (field "waited-ms" u32) (field "unserved" u32) (field "settings" string)))
    (type $verdict (record (field "next" $next) (field "reason" $reason) (field "valid-for-ms" u32)))
    (func $decide (param "input" $input) (result (result $verdict (error string)))
      (canon lift (core func $code "decide")
        (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
    (instance $retry-ip
      (export "age" (type $age)) (export "reason" (type $reason)) (export "wish" (type $wish))
      (export "label" (type $label)) (export "local-time" (type $local-time))
      (export "worker" (type $worker)) (export "instance-state" (type $instance-state))
      (export "addresses" (type $addresses)) (export "instance-facts" (type $instance-facts))
      (export "next" (type $next)) (export "input" (type $input)) (export "verdict" (type $verdict))
      (export "decide" (func $decide)))
    (export "reeve:policy/retry-ip@0.1.0" (instance $retry-ip)))
  (instance $echo (instantiate $echo))
  (instance $retry (instantiate $retry (with "echo" (func $echo "echo"))))
  (export "reeve:policy/retry-ip@0.1.0" (instance $retry "reeve:policy/retry-ip@0.1.0")))
