"""The fits to CDNOW by the Python package Lifetimes and by ours: first whether they agree, then how long each takes.

Lifetimes 0.11.3 is from 2020 and needs a pandas, NumPy and SciPy of its time, hence an environment of its own:

    python3.11 -m venv lifetimes
    lifetimes/bin/pip install lifetimes==0.11.3 "pandas<2" "numpy<2" "scipy<1.12" "pyarrow<18"
    cargo build --release --example fits
    lifetimes/bin/python lifetimes_fits.py --fits target/release/examples/fits

All of the export's 23,570 customers, calibrated to 30 September 1997, in weeks. Both start from counted histories or
customers in memory; a turn is a fit by each program, and a process of ours gives the fastest of three fits. Lifetimes
is given the customers one by one, as its documentation does it, and once more counted, with weights, as we do it.
"""

import argparse
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
from lifetimes import BetaGeoFitter, GammaGammaFitter, ModifiedBetaGeoFitter, ParetoNBDFitter

ROOT = Path(__file__).resolve().parent.parent.parent
CALIBRATED = pd.Timestamp("1997-09-30")
TOLERANCE = 1e-3


@dataclass
class Model:
    """A model of theirs, and ours of the same parameters."""

    name: str
    fitter: type
    parameters: list[str]


MODELS = [
    Model("bgnbd", BetaGeoFitter, ["r", "alpha", "a", "b"]),
    Model("mbgnbd", ModifiedBetaGeoFitter, ["r", "alpha", "a", "b"]),
    Model("paretonbd", ParetoNBDFitter, ["r", "alpha", "s", "beta"]),
    Model("gammagamma", GammaGammaFitter, ["p", "q", "v"]),
]


@dataclass
class Fit:
    """What a fit found, and how long it took."""

    estimates: np.ndarray
    seconds: float


def read_customers(path: Path) -> pd.DataFrame:
    """A row a customer: x, t_x and T in weeks, and the mean of the transactions after the first; a day is one."""
    lines = pd.DataFrame(pyarrow.parquet.read_table(path, columns=["customer_id", "date", "amount"]).to_pydict())
    lines = lines.assign(date=pd.to_datetime(lines["date"]), amount=lines["amount"].astype(float))
    days = lines[lines["date"] <= CALIBRATED].groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    first = days.groupby("customer_id")["date"].transform("min")
    repeats = days[days["date"] > first].groupby("customer_id")["amount"].agg(["size", "sum"])
    dates = days.groupby("customer_id")["date"].agg(["min", "max"]).join(repeats)
    frequency = dates["size"].fillna(0).astype(int)
    return pd.DataFrame(
        {
            "frequency": frequency,
            "recency": (dates["max"] - dates["min"]).dt.days / 7,
            "T": (CALIBRATED - dates["min"]).dt.days / 7,
            "monetary": dates["sum"] / frequency.where(frequency > 0),
        }
    )


def fit_theirs(model: Model, customers: pd.DataFrame, weighted: bool) -> Fit:
    """One fit, from a data frame in memory to the estimates."""
    if model.name == "gammagamma":
        customers = customers[customers["monetary"] > 0]
        columns = ["frequency", "monetary"]
    else:
        columns = ["frequency", "recency", "T"]
    weights = None
    if weighted:
        counted = customers.groupby(columns, as_index=False).size()
        customers, weights = counted, counted["size"]
    fitter = model.fitter()
    started = time.perf_counter()
    fitter.fit(*(customers[column] for column in columns), weights=weights)
    seconds = time.perf_counter() - started
    return Fit(fitter.params_[model.parameters].to_numpy(), seconds)


def fit_ours(program: Path, runs: int) -> dict[str, Fit]:
    """All fits by our program: its Markdown table, read again."""
    quiet = {name: value for name, value in os.environ.items() if name != "TENURE_REFERENCE_DATA"}
    ran = subprocess.run([program, "0", str(runs)], env=quiet, capture_output=True, text=True, check=True)
    fits = {}
    for line in ran.stdout.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        # The second table, of scores, has other columns.
        if cells[0] == "CDNOW" and cells[1] not in fits:
            estimates = np.array([float(x) for x in cells[5].split()])
            fits[cells[1]] = Fit(estimates, float(cells[4]) / 1000)
    return fits


def compare(name: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    """The greatest relative difference of an estimate, which is printed."""
    worst = float(np.max(np.abs(theirs / ours - 1)))
    print(f"{name}: ours {ours}, theirs {theirs.round(4)}, {worst:.1e} apart")
    return worst


def main() -> None:
    """Check, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=Path, required=True, help="the example `fits`, a release build")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    customers = read_customers(ROOT / "data/cdnow/purchases.parquet")
    packages = ("lifetimes", "numpy", "pandas", "scipy")
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    print(f"{len(customers):,} customers; {versions}, Python {platform.python_version()}, {os.cpu_count()} cores")
    ours = fit_ours(args.fits, 1)
    differ = [
        model.name
        for model in MODELS
        if compare(model.name, ours[model.name].estimates, fit_theirs(model, customers, False).estimates) > TOLERANCE
    ]
    if differ:
        sys.exit(f"The estimates differ by more than {TOLERANCE:.1%}: {', '.join(differ)}. No times.")
    turns = []
    for _ in range(args.runs):
        turn = {("ours", name): fit.seconds for name, fit in fit_ours(args.fits, 3).items()}
        for model in MODELS:
            turn["theirs", model.name] = fit_theirs(model, customers, False).seconds
            turn["weighted", model.name] = fit_theirs(model, customers, True).seconds
        turns.append(turn)
    print("\n| model | tenure, ms | Lifetimes, ms | ratio | Lifetimes with weights, ms | ratio |")
    print("|---|---:|---:|---:|---:|---:|")
    for model in MODELS:
        median = {who: statistics.median(turn[who, model.name] for turn in turns) * 1000 for who in ("ours", "theirs", "weighted")}
        ratio = {
            who: statistics.median(turn[who, model.name] / turn["ours", model.name] for turn in turns)
            for who in ("theirs", "weighted")
        }
        theirs = f"{median['theirs']:,.0f} | {ratio['theirs']:,.0f}"
        print(f"| {model.name} | {median['ours']:.1f} | {theirs} | {median['weighted']:,.0f} | {ratio['weighted']:,.0f} |")


if __name__ == "__main__":
    main()
