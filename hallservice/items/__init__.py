"""Items: directory and implementation lists, their versions, review, situations, fees, import and export."""
