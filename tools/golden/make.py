#!/usr/bin/env python3
"""Make tests/golden: tiny models, and what the reference implementations compute with them.

  make.py [OUT]      write everything (default: tests/golden of this checkout)
  make.py --report   how far rounding and deliberate mistakes move the results
  make.py --check    write into a temporary folder and compare with what is stored
"""

import argparse
import sys
import tempfile
from pathlib import Path

import common

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parents[1] / "tests" / "golden"


def make(root):
    import instruct
    import loops
    import lora
    import models
    import outputs
    import policies
    import scheduler
    import tokens

    common.quiet_torch()
    for name in models.MODELS:
        models.write_model(root, name)
        outputs.write(root, name)
    tokens.write(root)
    scheduler.write(root)
    policies.write(root)
    loops.write(root)
    instruct.write(root)
    lora.write(root)


def check():
    from compare import compare

    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        return compare(Path(folder), GOLDEN)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=GOLDEN)
    parser.add_argument("--check", action="store_true", help="compare with what is stored")
    parser.add_argument("--report", action="store_true", help="rounding against mistakes")
    args = parser.parse_args()
    if args.report:
        import instruct
        import loops

        common.quiet_torch()
        loops.report(args.out)
        return instruct.report(args.out)
    if args.check:
        sys.exit(0 if check() else 1)
    make(args.out)


if __name__ == "__main__":
    main()
