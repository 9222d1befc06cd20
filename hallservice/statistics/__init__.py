"""查询统计 (R-07): the hall's own work counted, with the cases behind every number."""
