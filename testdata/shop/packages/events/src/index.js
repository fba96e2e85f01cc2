import { nanoid } from 'nanoid';

/** Wraps `data` in the envelope that every shop event travels in. */
export function createEvent(type, data) {
  return { id: nanoid(), type, time: new Date().toISOString(), data };
}
