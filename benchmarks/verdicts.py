"""Train networks, healthy and broken, and hold the verdicts of `check` against their gradients.

    python benchmarks/verdicts.py [--only GROUP] [--train-only | --score-only] [--markdown]

Each network is labelled by its own gradients: the real loss of its last step, in float64, on its
own data and over its own length T; it explodes if ‖∂L/∂h_{T-k}‖ grows to a thousand times its size.
`check` is then asked about the file alone, with the length, with the inputs, and with a probe.
Networks are kept by their recipe under --cache, and trained again only where that has changed.
Exit code: 0 if all promises are kept, 1 if not.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from run import THREAD_VARIABLES

if TYPE_CHECKING:
    from trials.recipe import Recipe
    from trials.scoring import Judged

Made = TypeVar("Made")

CACHE = Path(__file__).parents[1] / "build" / "verdicts"


def train(recipe: Recipe, cache: Path) -> str:
    """In a process of its own; returns what is shown of it."""
    import torch
    from trials.training import load_or_train

    torch.set_num_threads(1)
    trained = load_or_train(recipe, cache)
    grown = ", ".join(f"10^{growth:.1f}" for growth in trained.growths)
    return f"{recipe.name}: loss {trained.facts['loss']:.3g}, growth {grown}"


def judge(recipe: Recipe, cache: Path) -> Judged:
    """Everything that `check` says of one network; raises FileNotFoundError if it is not there."""
    import torch
    from trials.checking import UNDECLARED, WAYS, ask
    from trials.scoring import Judged
    from trials.training import load

    torch.set_num_threads(1)
    trained = load(recipe, cache)
    ways = (*WAYS, UNDECLARED) if recipe.cell == "relu" else WAYS
    return Judged(trained, {way: ask(trained, way) for way in ways})


def each(
    task: Callable[[Recipe, Path], Made], recipes: Sequence[Recipe], given: argparse.Namespace
) -> Iterator[tuple[int, Made]]:
    """(place, result) of every recipe, in the order in which they are ready."""
    fresh = multiprocessing.get_context("spawn")  # no thread pool of torch's is inherited
    with ProcessPoolExecutor(given.jobs, mp_context=fresh) as pool:
        waiting = {pool.submit(task, recipe, given.cache): n for n, recipe in enumerate(recipes)}
        for number, done in enumerate(as_completed(waiting), 1):
            print(f"\r{task.__name__} {number}/{len(recipes)}", end="", file=sys.stderr)
            yield waiting[done], done.result()
    print(file=sys.stderr)


def main() -> int:
    """Train what is missing, ask, and print the tables."""
    from trials.recipes import GROUPS, RECIPES
    from trials.training import FACTS

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=GROUPS, action="append", metavar="GROUP")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    half = parser.add_mutually_exclusive_group()
    half.add_argument("--train-only", action="store_true")
    half.add_argument("--score-only", action="store_true", help="of what is in the cache")
    parser.add_argument("--markdown", action="store_true", help="the tables of the documentation")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for every network")
    given = parser.parse_args()
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))  # of the processes started from here
    recipes = [r for r in RECIPES if given.only is None or r.group in given.only]
    if not given.score_only:
        for _, line in each(train, recipes, given):
            if given.verbose:
                print(line, flush=True)
    else:
        absent = [r for r in recipes if not (given.cache / r.key / FACTS).exists()]
        recipes = [r for r in recipes if r not in absent]
        print(f"{len(absent)} networks are not in {given.cache}", file=sys.stderr)
    if given.train_only:
        return 0
    found = dict(each(judge, recipes, given))
    return show([found[place] for place in sorted(found)], given.markdown)


def show(judged: Sequence[Judged], markdown: bool) -> int:
    """Print everything; 1 where a promise is not kept."""
    from trials import scoring, table

    unscored = sum(one.trained.exploding is None for one in judged)
    print(f"{len(judged)} networks, {unscored} of them too near the border to be scored\n")
    targets = scoring.all_targets(judged)
    print(table.confusion(judged, markdown))
    print(table.errors(judged, markdown))
    print(table.targets(targets, markdown))
    if not markdown:
        print("\n".join(table.false_verdicts(judged)))
    return int(not all(target.met for target in targets))


if __name__ == "__main__":
    sys.exit(main())
