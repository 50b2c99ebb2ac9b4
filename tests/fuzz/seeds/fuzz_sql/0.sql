it's
SELECT comm, hist_percentile(wait, 0.5), hex(:x) FROM drops WHERE pid = :n GROUP BY 1