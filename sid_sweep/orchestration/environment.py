"""What Ray reads from the environment when it is imported: set before that, unless the user has."""

import os

WORKERS = {  # what also the processes of a cluster read that others have started
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # how often a group's controller looks
}
PATIENT = {  # on a cluster, others may hold what a group waits for; the board says for what
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "1000000",
}
DRIVER = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",  # else who asks a Ray that was left starts another
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output has a level at which it is silent
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # measurements are ours
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune's waits for the next report of every trial
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # nothing is ever restored from Tune's snapshots
    "TUNE_WARN_THRESHOLD_S": "1000000",
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",  # the dispatcher says how many at a time
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths in a specification stay true
    "RAY_gcs_rpc_server_reconnect_timeout_s": "180",  # Ray then ends us; the guard comes before
    **WORKERS,
}


def prepare(values: dict[str, str] = DRIVER) -> None:
    """Set what the user has not."""
    os.environ.update({name: value for name, value in values.items() if name not in os.environ})
