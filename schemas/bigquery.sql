-- The tables and views in BigQuery: an external table for each table of the output folder, and the views of views.sql.
--
-- Put in your project, your dataset (in the bucket's location) and the output folder, and run it:
--   sed -e 's/PROJECT/my-project/g' -e 's/DATASET/my_dataset/g' -e 's#BUCKET/OUTPUT#my-bucket/reports#g' bigquery.sql \
--     | bq query --use_legacy_sql=false
-- BigQuery takes a table's columns from its last file, in order of the names, when the table is made, and those of a
-- view when the view is: run it again when a version of dicebeam, or a slice feature, adds columns. A condition on
-- eval_date or run_id with a constant keeps it from reading the other files. A table without files cannot be made:
-- leave out those that are not there yet, and the views that need them.

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.samples`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/samples',
  uris = ['gs://BUCKET/OUTPUT/samples/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.classes`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/classes',
  uris = ['gs://BUCKET/OUTPUT/classes/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.slices`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/slices',
  uris = ['gs://BUCKET/OUTPUT/slices/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.histograms`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/histograms',
  uris = ['gs://BUCKET/OUTPUT/histograms/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.replicates`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/replicates',
  uris = ['gs://BUCKET/OUTPUT/replicates/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.failures`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/failures',
  uris = ['gs://BUCKET/OUTPUT/failures/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.runs`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/runs',
  uris = ['gs://BUCKET/OUTPUT/runs/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.verdicts`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/verdicts',
  uris = ['gs://BUCKET/OUTPUT/verdicts/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.blessings`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/blessings',
  uris = ['gs://BUCKET/OUTPUT/blessings/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.dataset_channels`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/dataset_channels',
  uris = ['gs://BUCKET/OUTPUT/dataset_channels/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.dataset_classes`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/dataset_classes',
  uris = ['gs://BUCKET/OUTPUT/dataset_classes/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.dataset_slices`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/dataset_slices',
  uris = ['gs://BUCKET/OUTPUT/dataset_slices/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.dataset_sizes`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/dataset_sizes',
  uris = ['gs://BUCKET/OUTPUT/dataset_sizes/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.dataset_failures`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/dataset_failures',
  uris = ['gs://BUCKET/OUTPUT/dataset_failures/*.parquet']
);

CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.datasets`
WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)
OPTIONS (
  format = 'PARQUET',
  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/datasets',
  uris = ['gs://BUCKET/OUTPUT/datasets/*.parquet']
);

-- finished_runs: one row for each finished run, with its status, and the run of the same config and status done before it
-- Failures over the budget, or nothing scored, make a status that is not done. previous_run_id is NULL for the first run
-- of a config.
CREATE OR REPLACE VIEW `PROJECT.DATASET.finished_runs` AS
SELECT
  run_id,
  eval_date,
  status,
  model,
  config_fingerprint,
  model_fingerprint,
  digest,
  records,
  scored,
  failed,
  started,
  finished,
  last_value(CASE WHEN status = 'done' THEN run_id END IGNORE NULLS) OVER (
    PARTITION BY config_fingerprint ORDER BY finished, run_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  ) AS previous_run_id
FROM `PROJECT.DATASET.runs`;

-- latest_run: one row, the run of status done that finished last; no row where none is done
CREATE OR REPLACE VIEW `PROJECT.DATASET.latest_run` AS
SELECT * FROM `PROJECT.DATASET.finished_runs` WHERE status = 'done' ORDER BY finished DESC, run_id DESC LIMIT 1;

-- latest_classes: one row for each class of the latest run, over all of its samples
CREATE OR REPLACE VIEW `PROJECT.DATASET.latest_classes` AS
SELECT * FROM `PROJECT.DATASET.classes`
WHERE run_id = (SELECT run_id FROM `PROJECT.DATASET.latest_run`) AND slice = 'all';

-- class_history: one row for each finished run, slice and class, with the change since the same config's run before
-- The run before is the last one of status done that has the slice and class. dice_mean_change is NULL where there is
-- none, or where one of the two has no Dice, which -1 stands for below.
CREATE OR REPLACE VIEW `PROJECT.DATASET.class_history` AS
SELECT
  r.eval_date,
  r.run_id,
  r.status,
  r.finished,
  r.config_fingerprint,
  c.slice,
  c.class_id,
  c.class_name,
  c.n_samples,
  c.n_samples - c.n_absent AS n_defined,
  c.dice_mean,
  c.dice_mean_low,
  c.dice_mean_high,
  c.dice_p05,
  c.dice_p50,
  c.dice_pooled,
  c.iou_mean,
  c.dice_mean - nullif(last_value(CASE WHEN r.status = 'done' THEN coalesce(c.dice_mean, -1) END IGNORE NULLS) OVER (
    PARTITION BY r.config_fingerprint, c.slice, c.class_name
    ORDER BY r.finished, r.run_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  ), -1) AS dice_mean_change
FROM `PROJECT.DATASET.classes` AS c
JOIN `PROJECT.DATASET.finished_runs` AS r ON c.run_id = r.run_id;

-- worst_samples: one row for each sample and class of the latest run that has a Dice; the worst of a class is rank 1
CREATE OR REPLACE VIEW `PROJECT.DATASET.worst_samples` AS
SELECT
  row_number() OVER (PARTITION BY class_id ORDER BY dice, sample_id, shard, record) AS worst_rank,
  s.*
FROM `PROJECT.DATASET.samples` AS s
WHERE run_id = (SELECT run_id FROM `PROJECT.DATASET.latest_run`) AND dice IS NOT NULL;

-- finished_samples: one row for each sample and class of a finished run; same_id counts the samples that share the id
CREATE OR REPLACE VIEW `PROJECT.DATASET.finished_samples` AS
SELECT
  s.*,
  count(*) OVER (PARTITION BY run_id, sample_id, class_id) AS same_id
FROM `PROJECT.DATASET.samples` AS s
WHERE run_id IN (SELECT run_id FROM `PROJECT.DATASET.runs`);

-- sample_changes: one row for each sample and class that two finished runs have both scored; choose both ids with WHERE
-- As in WHERE run_id = 'tuesday' AND baseline_run_id = 'monday'. Samples are paired by id and class name. Those whose
-- id is not unique in a run are paired by their shard and record too, so that none is paired twice. A class that is
-- absent in one of the runs has no Dice there, so dice_change is NULL: compare state and baseline_state.
CREATE OR REPLACE VIEW `PROJECT.DATASET.sample_changes` AS
SELECT
  a.*,
  b.run_id AS baseline_run_id,
  b.state AS baseline_state,
  b.true_positives AS baseline_true_positives,
  b.false_positives AS baseline_false_positives,
  b.false_negatives AS baseline_false_negatives,
  b.dice AS baseline_dice,
  b.iou AS baseline_iou,
  a.dice - b.dice AS dice_change,
  a.iou - b.iou AS iou_change
FROM `PROJECT.DATASET.finished_samples` AS a
JOIN `PROJECT.DATASET.finished_samples` AS b
  ON a.sample_id = b.sample_id
  AND a.class_name = b.class_name
  AND CASE WHEN a.same_id > 1 THEN a.shard ELSE '' END = CASE WHEN b.same_id > 1 THEN b.shard ELSE '' END
  AND CASE WHEN a.same_id > 1 THEN a.record ELSE -1 END = CASE WHEN b.same_id > 1 THEN b.record ELSE -1 END
WHERE a.run_id <> b.run_id;

-- latest_changes: one row for each sample and class that the latest run and its config's run before have both scored
-- The same as sample_changes for these two runs; no other run's samples are read.
CREATE OR REPLACE VIEW `PROJECT.DATASET.latest_changes` AS
SELECT
  a.*,
  b.run_id AS baseline_run_id,
  b.state AS baseline_state,
  b.true_positives AS baseline_true_positives,
  b.false_positives AS baseline_false_positives,
  b.false_negatives AS baseline_false_negatives,
  b.dice AS baseline_dice,
  b.iou AS baseline_iou,
  a.dice - b.dice AS dice_change,
  a.iou - b.iou AS iou_change
FROM (
  SELECT s.*, count(*) OVER (PARTITION BY sample_id, class_id) AS same_id
  FROM `PROJECT.DATASET.samples` AS s
  WHERE run_id = (SELECT run_id FROM `PROJECT.DATASET.latest_run`)
) AS a
JOIN (
  SELECT s.*, count(*) OVER (PARTITION BY sample_id, class_id) AS same_id
  FROM `PROJECT.DATASET.samples` AS s
  WHERE run_id = (SELECT previous_run_id FROM `PROJECT.DATASET.latest_run`)
) AS b
  ON a.sample_id = b.sample_id
  AND a.class_name = b.class_name
  AND CASE WHEN a.same_id > 1 THEN a.shard ELSE '' END = CASE WHEN b.same_id > 1 THEN b.shard ELSE '' END
  AND CASE WHEN a.same_id > 1 THEN a.record ELSE -1 END = CASE WHEN b.same_id > 1 THEN b.record ELSE -1 END;

-- empty_mask_rules: one row for each finished run, slice and class: mean Dice under three rules for absent classes
-- A class that is neither true nor predicted is left out, or counts as 1, or as 0.
CREATE OR REPLACE VIEW `PROJECT.DATASET.empty_mask_rules` AS
SELECT
  eval_date,
  run_id,
  slice,
  class_id,
  class_name,
  n_samples,
  n_absent,
  dice_mean AS absent_left_out,
  (coalesce(dice_mean, 0) * (n_samples - n_absent) + n_absent) / nullif(n_samples, 0) AS absent_counts_as_1,
  coalesce(dice_mean, 0) * (n_samples - n_absent) / nullif(n_samples, 0) AS absent_counts_as_0
FROM `PROJECT.DATASET.classes`
WHERE run_id IN (SELECT run_id FROM `PROJECT.DATASET.runs`);

-- pooled_metrics: one row for each finished run, slice and class: every ratio of the summed pixels
-- size_ratio is predicted over actual pixels. Ratios are NULL where they are undefined.
CREATE OR REPLACE VIEW `PROJECT.DATASET.pooled_metrics` AS
SELECT
  eval_date,
  run_id,
  slice,
  class_id,
  class_name,
  true_positives + false_negatives AS actual_pixels,
  true_positives + false_positives AS predicted_pixels,
  pixels - ignored_pixels AS counted_pixels,
  2 * true_positives / nullif(2 * true_positives + false_positives + false_negatives, 0) AS dice,
  true_positives / nullif(true_positives + false_positives + false_negatives, 0) AS iou,
  true_positives / nullif(true_positives + false_positives, 0) AS precision,
  true_positives / nullif(true_positives + false_negatives, 0) AS recall,
  (pixels - ignored_pixels - true_positives - false_positives - false_negatives)
    / nullif(pixels - ignored_pixels - true_positives - false_negatives, 0) AS specificity,
  (pixels - ignored_pixels - false_positives - false_negatives) / nullif(pixels - ignored_pixels, 0) AS accuracy,
  (true_positives + false_positives) / nullif(true_positives + false_negatives, 0) AS size_ratio,
  2 * soft_intersection / nullif(true_positives + false_negatives + soft_predicted, 0) AS soft_dice
FROM `PROJECT.DATASET.classes`
WHERE run_id IN (SELECT run_id FROM `PROJECT.DATASET.runs`);

-- worst_slices: one row for each slice of the latest run; low_rank 1 has the lowest mean Dice, drop_rank 1 fell most
-- The previous values are those of the run of the same config before it; the change is NULL where it has no such slice.
CREATE OR REPLACE VIEW `PROJECT.DATASET.worst_slices` AS
SELECT
  s.slice,
  s.n_samples,
  s.dice_mean,
  s.dice_mean_low,
  s.dice_mean_high,
  p.n_samples AS previous_n_samples,
  p.dice_mean AS previous_dice_mean,
  s.dice_mean - p.dice_mean AS dice_mean_change,
  row_number() OVER (ORDER BY s.dice_mean NULLS LAST, s.slice) AS low_rank,
  row_number() OVER (ORDER BY s.dice_mean - p.dice_mean NULLS LAST, s.slice) AS drop_rank,
  r.run_id,
  r.previous_run_id
FROM `PROJECT.DATASET.latest_run` AS r
JOIN `PROJECT.DATASET.slices` AS s ON s.run_id = r.run_id
LEFT JOIN `PROJECT.DATASET.slices` AS p ON p.run_id = r.previous_run_id AND p.slice = s.slice;

-- gate_history: one row for each gated run, with its verdict and how many of its checks did not pass
CREATE OR REPLACE VIEW `PROJECT.DATASET.gate_history` AS
SELECT
  eval_date,
  run_id,
  max(run_verdict) AS verdict,
  max(baseline_run_id) AS baseline_run_id,
  max(decided) AS decided,
  count(*) AS n_checks,
  sum(CASE WHEN verdict IN ('PASS', 'SKIPPED') THEN 0 ELSE 1 END) AS n_not_passed
FROM `PROJECT.DATASET.verdicts`
GROUP BY eval_date, run_id;

-- drift_history: one row for each gated run and check of its data, with the value that moves from night to night
-- The difference is to the run's own baseline, which moves too; value over the nights shows what drifts slowly.
CREATE OR REPLACE VIEW `PROJECT.DATASET.drift_history` AS
SELECT
  eval_date,
  run_id,
  decided,
  metric,
  class_name,
  channel,
  limit_name,
  threshold,
  value,
  baseline,
  difference,
  baseline_run_id,
  verdict,
  decides,
  run_verdict
FROM `PROJECT.DATASET.verdicts`
WHERE metric IN ('channel_mean', 'class_pixels', 'class_samples');

-- dataset_channel_changes: one row for each channel of two finished analyses; choose both ids with WHERE
-- mean_shift is in standard deviations of the baseline, NULL where that is 0.
CREATE OR REPLACE VIEW `PROJECT.DATASET.dataset_channel_changes` AS
SELECT
  a.*,
  b.run_id AS baseline_run_id,
  b.mean AS baseline_mean,
  b.std AS baseline_std,
  a.mean - b.mean AS mean_change,
  (a.mean - b.mean) / nullif(b.std, 0) AS mean_shift,
  a.std / nullif(b.std, 0) AS std_ratio
FROM `PROJECT.DATASET.dataset_channels` AS a
JOIN `PROJECT.DATASET.dataset_channels` AS b ON a.channel = b.channel
WHERE a.run_id <> b.run_id
  AND a.run_id IN (SELECT run_id FROM `PROJECT.DATASET.datasets`)
  AND b.run_id IN (SELECT run_id FROM `PROJECT.DATASET.datasets`);

-- dataset_class_changes: one row for each class name of two finished analyses; choose both ids with WHERE
CREATE OR REPLACE VIEW `PROJECT.DATASET.dataset_class_changes` AS
SELECT
  a.*,
  b.run_id AS baseline_run_id,
  b.pixel_fraction AS baseline_pixel_fraction,
  b.sample_fraction AS baseline_sample_fraction,
  a.pixel_fraction - b.pixel_fraction AS pixel_fraction_change,
  a.sample_fraction - b.sample_fraction AS sample_fraction_change
FROM `PROJECT.DATASET.dataset_classes` AS a
JOIN `PROJECT.DATASET.dataset_classes` AS b ON a.class_name = b.class_name
WHERE a.run_id <> b.run_id
  AND a.run_id IN (SELECT run_id FROM `PROJECT.DATASET.datasets`)
  AND b.run_id IN (SELECT run_id FROM `PROJECT.DATASET.datasets`);
