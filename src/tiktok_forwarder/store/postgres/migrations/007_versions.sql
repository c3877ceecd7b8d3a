-- oldest program: 7
--
-- Which programs may go on while a newer one uses the database. Nodes are updated one after another, so a migration only
-- adds, and the programs before it need not know it: its first line names the oldest that may use the database
-- afterwards, by the number of migrations that it knows. What is not used any more is removed by a later version, once
-- no program that the documentation supports uses it.
ALTER TABLE forwarder.versions ADD COLUMN IF NOT EXISTS oldest_program integer;
