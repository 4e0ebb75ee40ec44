"""Several processes: the main one decides, worker processes serve the targets. One target lives in one worker."""
