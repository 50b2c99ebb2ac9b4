[2J
SELECT :x, "comm", [pid], `port` FROM drops /* :n */ ORDER BY rowid