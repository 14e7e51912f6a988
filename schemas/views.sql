-- Views over the tables, in DuckDB's SQL; schemas/bigquery.sql has the same ones for BigQuery.
--
-- `dicebeam query OUTPUT` has them ready. A DuckDB of your own needs a view of each table first, as
--   CREATE VIEW runs AS FROM read_parquet('OUTPUT/runs/*/*/*.parquet', hive_partitioning = true, hive_types = {'eval_date': DATE, 'run_id': VARCHAR}, union_by_name = true);
-- Without hive_types DuckDB makes a number of a run id such as 20260101, and a date of 2026-01-01, and joins break.
-- Runs that are not finished, which have no row in `runs`, are in none of these views.

-- finished_runs: one row for each finished run, with its status, and the run of the same config and status done before it
-- Failures over the budget, or nothing scored, make a status that is not done. previous_run_id is NULL for the first run
-- of a config.
CREATE OR REPLACE VIEW finished_runs AS
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
FROM runs;

-- latest_run: one row, the run of status done that finished last; no row where none is done
CREATE OR REPLACE VIEW latest_run AS
SELECT * FROM finished_runs WHERE status = 'done' ORDER BY finished DESC, run_id DESC LIMIT 1;

-- latest_classes: one row for each class of the latest run, over all of its samples
CREATE OR REPLACE VIEW latest_classes AS
SELECT * FROM classes
WHERE run_id = (SELECT run_id FROM latest_run) AND slice = 'all';

-- class_history: one row for each finished run, slice and class, with the change since the same config's run before
-- The run before is the last one of status done that has the slice and class. dice_mean_change is NULL where there is
-- none, or where one of the two has no Dice, which -1 stands for below.
CREATE OR REPLACE VIEW class_history AS
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
FROM classes AS c
JOIN finished_runs AS r ON c.run_id = r.run_id;

-- worst_samples: one row for each sample and class of the latest run that has a Dice; the worst of a class is rank 1
CREATE OR REPLACE VIEW worst_samples AS
SELECT
  row_number() OVER (PARTITION BY class_id ORDER BY dice, sample_id, shard, record) AS worst_rank,
  s.*
FROM samples AS s
WHERE run_id = (SELECT run_id FROM latest_run) AND dice IS NOT NULL;

-- finished_samples: one row for each sample and class of a finished run; same_id counts the samples that share the id
CREATE OR REPLACE VIEW finished_samples AS
SELECT
  s.*,
  count(*) OVER (PARTITION BY run_id, sample_id, class_id) AS same_id
FROM samples AS s
WHERE run_id IN (SELECT run_id FROM runs);

-- sample_changes: one row for each sample and class that two finished runs have both scored; choose both ids with WHERE
-- As in WHERE run_id = 'tuesday' AND baseline_run_id = 'monday'. Samples are paired by id and class name. Those whose
-- id is not unique in a run are paired by their shard and record too, so that none is paired twice. A class that is
-- absent in one of the runs has no Dice there, so dice_change is NULL: compare state and baseline_state.
CREATE OR REPLACE VIEW sample_changes AS
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
FROM finished_samples AS a
JOIN finished_samples AS b
  ON a.sample_id = b.sample_id
  AND a.class_name = b.class_name
  AND CASE WHEN a.same_id > 1 THEN a.shard ELSE '' END = CASE WHEN b.same_id > 1 THEN b.shard ELSE '' END
  AND CASE WHEN a.same_id > 1 THEN a.record ELSE -1 END = CASE WHEN b.same_id > 1 THEN b.record ELSE -1 END
WHERE a.run_id <> b.run_id;

-- latest_changes: one row for each sample and class that the latest run and its config's run before have both scored
-- The same as sample_changes for these two runs; no other run's samples are read.
CREATE OR REPLACE VIEW latest_changes AS
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
  FROM samples AS s
  WHERE run_id = (SELECT run_id FROM latest_run)
) AS a
JOIN (
  SELECT s.*, count(*) OVER (PARTITION BY sample_id, class_id) AS same_id
  FROM samples AS s
  WHERE run_id = (SELECT previous_run_id FROM latest_run)
) AS b
  ON a.sample_id = b.sample_id
  AND a.class_name = b.class_name
  AND CASE WHEN a.same_id > 1 THEN a.shard ELSE '' END = CASE WHEN b.same_id > 1 THEN b.shard ELSE '' END
  AND CASE WHEN a.same_id > 1 THEN a.record ELSE -1 END = CASE WHEN b.same_id > 1 THEN b.record ELSE -1 END;

-- empty_mask_rules: one row for each finished run, slice and class: mean Dice under three rules for absent classes
-- A class that is neither true nor predicted is left out, or counts as 1, or as 0.
CREATE OR REPLACE VIEW empty_mask_rules AS
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
FROM classes
WHERE run_id IN (SELECT run_id FROM runs);

-- pooled_metrics: one row for each finished run, slice and class: every ratio of the summed pixels
-- size_ratio is predicted over actual pixels. Ratios are NULL where they are undefined.
CREATE OR REPLACE VIEW pooled_metrics AS
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
FROM classes
WHERE run_id IN (SELECT run_id FROM runs);

-- worst_slices: one row for each slice of the latest run; low_rank 1 has the lowest mean Dice, drop_rank 1 fell most
-- The previous values are those of the run of the same config before it; the change is NULL where it has no such slice.
CREATE OR REPLACE VIEW worst_slices AS
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
FROM latest_run AS r
JOIN slices AS s ON s.run_id = r.run_id
LEFT JOIN slices AS p ON p.run_id = r.previous_run_id AND p.slice = s.slice;

-- gate_history: one row for each gated run, with its verdict and how many of its checks did not pass
CREATE OR REPLACE VIEW gate_history AS
SELECT
  eval_date,
  run_id,
  max(run_verdict) AS verdict,
  max(baseline_run_id) AS baseline_run_id,
  max(decided) AS decided,
  count(*) AS n_checks,
  sum(CASE WHEN verdict IN ('PASS', 'SKIPPED') THEN 0 ELSE 1 END) AS n_not_passed
FROM verdicts
GROUP BY eval_date, run_id;

-- drift_history: one row for each gated run and check of its data, with the value that moves from night to night
-- The difference is to the run's own baseline, which moves too; value over the nights shows what drifts slowly.
CREATE OR REPLACE VIEW drift_history AS
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
FROM verdicts
WHERE metric IN ('channel_mean', 'class_pixels', 'class_samples');

-- dataset_channel_changes: one row for each channel of two finished analyses; choose both ids with WHERE
-- mean_shift is in standard deviations of the baseline, NULL where that is 0.
CREATE OR REPLACE VIEW dataset_channel_changes AS
SELECT
  a.*,
  b.run_id AS baseline_run_id,
  b.mean AS baseline_mean,
  b.std AS baseline_std,
  a.mean - b.mean AS mean_change,
  (a.mean - b.mean) / nullif(b.std, 0) AS mean_shift,
  a.std / nullif(b.std, 0) AS std_ratio
FROM dataset_channels AS a
JOIN dataset_channels AS b ON a.channel = b.channel
WHERE a.run_id <> b.run_id
  AND a.run_id IN (SELECT run_id FROM datasets)
  AND b.run_id IN (SELECT run_id FROM datasets);

-- dataset_class_changes: one row for each class name of two finished analyses; choose both ids with WHERE
CREATE OR REPLACE VIEW dataset_class_changes AS
SELECT
  a.*,
  b.run_id AS baseline_run_id,
  b.pixel_fraction AS baseline_pixel_fraction,
  b.sample_fraction AS baseline_sample_fraction,
  a.pixel_fraction - b.pixel_fraction AS pixel_fraction_change,
  a.sample_fraction - b.sample_fraction AS sample_fraction_change
FROM dataset_classes AS a
JOIN dataset_classes AS b ON a.class_name = b.class_name
WHERE a.run_id <> b.run_id
  AND a.run_id IN (SELECT run_id FROM datasets)
  AND b.run_id IN (SELECT run_id FROM datasets);
