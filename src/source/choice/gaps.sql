-- What the chosen relations need, or belong to, that is not chosen: (kind and name of that, who needs it and how).
WITH chosen (oid) AS (
    SELECT unnest(:relations::oid[])
),
-- A relation's own parts that can depend on something, and how that is said.
part (classid, objid, relation, says) AS (
    SELECT 'pg_class'::regclass, oid, oid, NULL FROM chosen
    UNION ALL
    SELECT 'pg_class'::regclass, indexrelid, indrelid, NULL FROM pg_index JOIN chosen ON chosen.oid = indrelid
    UNION ALL
    SELECT 'pg_attrdef'::regclass, d.oid, adrelid, NULL FROM pg_attrdef d JOIN chosen ON chosen.oid = adrelid
    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid, conrelid,
           CASE contype WHEN 'f' THEN format('foreign key %s of %%s references it', replace(quote_ident(conname), '%', '%%')) END
    FROM pg_constraint k JOIN chosen ON chosen.oid = conrelid
    UNION ALL
    SELECT 'pg_trigger'::regclass, t.oid, tgrelid, format('trigger %s of %%s needs it', replace(quote_ident(tgname), '%', '%%'))
    FROM pg_trigger t JOIN chosen ON chosen.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL
    SELECT 'pg_rewrite'::regclass, r.oid, ev_class, NULL FROM pg_rewrite r JOIN chosen ON chosen.oid = ev_class
    UNION ALL
    SELECT 'pg_policy'::regclass, p.oid, polrelid, NULL FROM pg_policy p JOIN chosen ON chosen.oid = polrelid
),
need (relation, classid, objid, says) AS (
    SELECT DISTINCT p.relation, d.refclassid, d.refobjid,
           coalesce(p.says,
                    CASE WHEN i.inhparent IS NULL THEN '%s needs it'
                         WHEN c.relispartition THEN '%s is a partition of it'
                         ELSE '%s inherits from it' END)
    FROM part p
    JOIN pg_depend d ON d.classid = p.classid AND d.objid = p.objid
    JOIN pg_class c ON c.oid = p.relation
    LEFT JOIN pg_inherits i ON i.inhrelid = d.objid AND d.classid = 'pg_class'::regclass
                           AND i.inhparent = d.refobjid AND d.refclassid = 'pg_class'::regclass
    -- Below that everything belongs to every server (FirstNormalObjectId).
    WHERE d.refobjid >= 16384 AND d.refobjid <> p.relation AND d.deptype <> 'e'
),
-- An array's type is its element's, a row's type its table.
thing (relation, says, classid, objid) AS (
    SELECT n.relation, n.says,
           CASE WHEN coalesce(r.relkind, 'c') <> 'c' THEN 'pg_class'::regclass ELSE n.classid END,
           CASE WHEN coalesce(r.relkind, 'c') <> 'c' THEN r.oid ELSE coalesce(e.oid, t.oid, n.objid) END
    FROM need n
    LEFT JOIN pg_type t ON n.classid = 'pg_type'::regclass AND t.oid = n.objid
    LEFT JOIN pg_type e ON t.typlen = -1 AND e.oid = t.typelem
    LEFT JOIN pg_class r ON r.oid = coalesce(nullif(e.typrelid, 0), nullif(t.typrelid, 0))
)
SELECT DISTINCT w.type || ' ' || w.identity, format(t.says, t.relation::regclass)
FROM thing t
LEFT JOIN pg_class c ON t.classid = 'pg_class'::regclass AND c.oid = t.objid
LEFT JOIN pg_depend x ON x.classid = t.classid AND x.objid = t.objid AND x.objsubid = 0 AND x.deptype = 'e'
CROSS JOIN LATERAL pg_identify_object(t.classid, t.objid, 0) w
LEFT JOIN pg_namespace s ON s.nspname = w.schema
WHERE CASE WHEN t.objid < 16384 THEN false
           WHEN x.objid IS NOT NULL THEN NOT :everything
           WHEN c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') THEN c.oid NOT IN (SELECT oid FROM chosen)
           -- An index goes with its table, which is depended upon as well.
           WHEN c.relkind IN ('i', 'I', 't') THEN false
           WHEN t.classid = 'pg_namespace'::regclass THEN t.objid <> ALL (:schemas::oid[])
           WHEN s.oid IS NOT NULL THEN s.oid <> ALL (:schemas::oid[])
           ELSE NOT :everything END
ORDER BY 1, 2
