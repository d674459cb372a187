#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the stories inside the virtual machine: suite.py [PATTERN…].

One TAP line a story as it ends; a failure with its reason and with what the journal held. Every
outcome is also left on the host's share at once, so that it survives a machine that dies.
"""
import faulthandler
import fnmatch
import pathlib
import signal
import sys
import time
import traceback
import unittest

RESULTS = pathlib.Path("/host/out/results")
STORY_LIMIT = 900


class StoryTeller(unittest.TestResult):
    """Says how each story ended."""

    def startTest(self, test):
        super().startTest(test)
        self._began = time.monotonic()
        self._wrong = False
        print(f"# {test.id()} …", flush=True)
        signal.alarm(STORY_LIMIT)

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._tell("passed", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._tell_wrong(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._tell_wrong(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._tell_wrong(test, err, subtest)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"# skipped: {test.id()}: {reason}", flush=True)

    def _tell_wrong(self, test, err, subtest=None):
        print("".join(traceback.format_exception(*err)).rstrip())
        if subtest:
            print(subtest.id())
        journal = getattr(test, "journal", None)
        if journal and not self._wrong:
            print("--- journal\n" + journal.excerpt() + "\n---")
        if not self._wrong:
            self._wrong = True
            self._tell("failed", test)

    def _tell(self, outcome, test):
        word = "ok" if outcome == "passed" else "not ok"
        print(f"{word} - {test.id()} ({time.monotonic() - self._began:.1f} s)", flush=True)
        with RESULTS.open("a") as results:
            print(outcome, test.id(), file=results)


def on_alarm(_number, _frame):
    faulthandler.dump_traceback()
    raise TimeoutError(f"the story was not over after {STORY_LIMIT} s")


def stories(patterns):
    """All stories whose full name contains one of the patterns, in which a shell's * and ? hold;
    without patterns, all."""
    here = str(pathlib.Path(__file__).parent)
    found = flattened(unittest.TestLoader().discover(here, top_level_dir=here))
    return unittest.TestSuite(test for test in found
                              if not patterns or any(fnmatch.fnmatchcase(test.id(), f"*{word}*")
                                                     for word in patterns))


def flattened(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flattened(test)
        else:
            yield test


def main():
    signal.signal(signal.SIGALRM, on_alarm)
    result = StoryTeller()
    chosen = stories(sys.argv[1:])
    if not chosen.countTestCases():
        print(f"# no story is called {' or '.join(sys.argv[1:])}", flush=True)
    chosen.run(result)
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
