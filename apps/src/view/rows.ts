// The rows of everybody this person may see, made anew only when something they are made of changed.

import { useMemo } from "react";
import { rosterOf, type Row } from "../model/roster";
import { useRecord } from "./live";

export function useRows(): readonly Row[] {
  const record = useRecord();
  const patients = record.all("Patient");
  const flags = record.all("Flag");
  const tasks = record.all("Task");
  const procedures = record.all("Procedure");
  return useMemo(
    () => rosterOf({ patients, flags, tasks, procedures }),
    [patients, flags, tasks, procedures],
  );
}
