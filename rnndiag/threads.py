"""How many threads linear algebra takes in a process of ours: one."""

ONE_THREAD = dict.fromkeys(
    (
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
"""Environment variables, read once, when numpy is loaded. The matrices of a step are small: several
threads gain nothing on a machine that is idle, and on one that is not they wait for one another, up
to ten times as long as one takes. Sums added up in another order would differ in their last digits.
"""
