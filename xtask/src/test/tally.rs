//! The sums of the test binaries' results.

/// The sums of all `test result:` lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Tests that passed.
    pub(super) passed: u64,
    /// Tests that failed.
    pub(super) failed: u64,
    ignored: u64,
    filtered: u64,
}

impl Tally {
    /// Reads a line of output. Lines other than result lines are ignored.
    pub(super) fn read(&mut self, line: &str) {
        // `test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; …`
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let Some((_, counts)) = result.split_once(". ") else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, what)) = count.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                "filtered out" => self.filtered += number,
                _ => {}
            }
        }
    }

    /// The problems of a run without failed tests: no test ran, or some were left out although no
    /// filter was given.
    pub(super) fn problems(&self, chosen: bool) -> Vec<String> {
        let mut problems = Vec::new();
        if self.passed + self.failed == 0 {
            problems.push("no test ran".to_owned());
        }
        if !chosen && self.ignored > 0 {
            problems.push(format!(
                "{} tests are ignored; a test that does not run proves nothing: make it run or \
                 remove it",
                self.ignored
            ));
        }
        if !chosen && self.filtered > 0 {
            problems.push(format!(
                "{} tests were filtered out, and no filter was given",
                self.filtered
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn the_results_of_all_binaries_are_summed_up() {
        let tally = tally(
            "running 4 tests\n\
             test a ... ok\n\
             test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished \
             in 0.00s\n\
             test result: FAILED. 2 passed; 1 failed; 3 ignored; 0 measured; 5 filtered out; \
             finished in 1.20s\n",
        );
        assert_eq!(
            tally,
            Tally {
                passed: 6,
                failed: 1,
                ignored: 3,
                filtered: 5
            }
        );
    }

    #[test]
    fn the_output_of_a_test_is_not_a_result() {
        let tally = tally("the line said: test result: ok. 9 passed; 0 failed\ntest result: ok\n");
        assert_eq!(tally, Tally::default());
    }

    #[test]
    fn a_run_without_tests_is_a_problem() {
        assert_eq!(tally("").problems(false), ["no test ran"]);
        assert_eq!(tally("").problems(true), ["no test ran"]);
    }

    #[test]
    fn left_out_tests_are_a_problem_unless_a_filter_was_given() {
        let tally = Tally {
            passed: 1,
            failed: 0,
            ignored: 2,
            filtered: 3,
        };
        let problems = tally.problems(false);
        assert!(
            problems[0].starts_with("2 tests are ignored"),
            "{problems:?}"
        );
        assert!(
            problems[1].starts_with("3 tests were filtered out"),
            "{problems:?}"
        );
        assert_eq!(tally.problems(true), Vec::<String>::new());
    }

    #[test]
    fn a_complete_run_has_no_problem() {
        let tally = Tally {
            passed: 1,
            failed: 0,
            ignored: 0,
            filtered: 0,
        };
        assert_eq!(tally.problems(false), Vec::<String>::new());
    }
}
