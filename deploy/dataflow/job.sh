#!/bin/sh
# An evaluation on Dataflow, a GPU for each worker.
#
# To edit: the six names below. CONFIG's examples, model and output are gs:// paths.
# Exit codes: 0 done, 2 failed, 5 finished but not valid; docs/operating/operations.md says what to do after each.
# Again: the same command with the same run id scores only the shards that are not finished.
set -eu
PROJECT=${PROJECT:-my-project}
REGION=${REGION:-europe-west4}
BUCKET=${BUCKET:-my-bucket}
IMAGE=${IMAGE:-$REGION-docker.pkg.dev/$PROJECT/dicebeam/dicebeam:0.2.0}
CONFIG=${CONFIG:-config.yaml}
RUN_ID=${RUN_ID:-n$(date -u +%Y%m%d)}

# -- The machine: one T4 with 8 cores; decoding PNGs keeps about 8 cores busy before the T4 is. More shards than workers
#    times 4 keep every worker busy until the end (docs/operating/engines.md says how to size them from a small run).
# -- require_gpu: a worker whose driver is not there ends the run, in place of using its CPU (docs/operating/engines-gpu.md).
# -- min_ram is a hint for the whole pipeline. A hint on one stage would break its fusion; dicebeam stops then.
set -- \
    --runner=DataflowRunner --project="$PROJECT" --region="$REGION" \
    --job_name="dicebeam-$(printf %s "$RUN_ID" | tr 'A-Z_.' 'a-z--')" \
    --temp_location="gs://$BUCKET/tmp" --staging_location="gs://$BUCKET/staging" \
    --sdk_container_image="$IMAGE" --sdk_location=container --experiments=use_runner_v2 \
    --machine_type=n1-standard-8 --disk_size_gb=50 --max_num_workers=10 \
    --dataflow_service_options="worker_accelerator=type:nvidia-tesla-t4;count:1;install-nvidia-driver" \
    --experiments=no_use_multiple_sdk_containers --number_of_worker_harness_threads=4 \
    --resource_hint=min_ram=24GB --require_gpu \
    --labels=team=vision --labels=tool=dicebeam

dicebeam preflight "$CONFIG" -- "$@"
exec dicebeam evaluate "$CONFIG" --run-id "$RUN_ID" -- "$@"
