# SPDX-License-Identifier: MIT
"""What ./run does: build, boot a guest, test in it, judge.

One concept per file; the Python standard library is all that is used.
"""
