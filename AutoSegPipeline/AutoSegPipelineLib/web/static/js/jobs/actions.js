// What people do to one job.
import { ask, getJson, part } from "../api.js";
import { announce, toast } from "../dom.js";
import { confirm } from "../dialogs.js";

/** Do it and say so, or why not. */
export async function act(job, what, said) {
  try {
    await what();
    announce(said);
  } catch (error) {
    toast(`${job.label || job.name}: ${error.message}`, "bad", error.hint);
  }
}

/** Delete a job and all its files, after asking. */
export async function removeJob(job) {
  const name = job.label || job.name;
  const sure = await confirm(`Delete ${name}?`,
    job.outputs.length ? "This removes the result, all its files and its input from the server. It cannot be undone."
      : "This removes the job and its input from the server. It cannot be undone.", "Delete");
  if (sure) await act(job, () => ask("DELETE", `api/v1/jobs/${part(job.id)}`), `${name}: deleted.`);
}

/** How urgent a waiting job is now: its priority and a point for each minute that it waited. */
function urgency(job, now) {
  const since = Date.parse(job.times?.queued ?? "") || now;
  return job.priority + Math.max(0, now - since) / 60000;
}

/** Give a queued job the priority with which it stands at `index` of the queue (0 is next). */
export async function moveTo(job, place, index) {
  const name = job.label || job.name;
  await act(job, async () => {
    const priority = index === 0 ? 100 : await priorityAt(job, place, index);
    await ask("PATCH", `api/v1/jobs/${part(job.id)}`, { priority: Math.max(0, Math.min(100, priority)) });
  }, `${name}: moved to place ${index + 1}.`);
}

async function priorityAt(job, place, index) {
  const begin = Math.max(0, Math.min(place, index) - 1);
  const { jobs } = await getJson(`api/v1/jobs?order=work&state=queued&offset=${begin}&limit=${Math.abs(place - index) + 3}`);
  const others = jobs.filter((one) => one.id !== job.id);
  const now = Date.now();
  const waited = urgency(job, now) - job.priority;
  const above = others[index - begin - 1]; // what stands before it afterwards
  const below = others[index - begin]; // and what behind it
  if (!below) return Math.ceil(urgency(above, now) - waited) - 1;
  const priority = Math.floor(urgency(below, now) - waited) + 1;
  return above ? Math.min(priority, Math.ceil(urgency(above, now) - waited) - 1) : priority;
}
