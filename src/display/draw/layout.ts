import { type Box, clamp } from "../../base/box.js";
import type { Size } from "./pencil.js";

/** Where a face's tag and its scores are drawn: pure geometry in pixels. */

export interface FaceToPlace {
  readonly trackId: string;
  readonly box: Box;
  readonly tag: Size;
}

/** The scores with names beside the bars, or seven bars in a row where there is no room for names. */
export type PanelForm = "full" | "compact";

export interface Placement {
  readonly tag: Box;
  readonly panel: Box;
  readonly form: PanelForm;
}

/** What each track's panel was last time; the next layout keeps to it unless another place is clearly better. */
export type LayoutMemory = Map<string, string>;

export interface PanelSizes {
  readonly full: Size;
  readonly compact: Size;
  /** Free pixels between a face and its panel. */
  readonly gap: number;
}

/** A face hidden is worse than a panel hidden. */
const FACE_WEIGHT = 3;
/** A full panel that covers more than this part of its area gives way to a compact one. */
const TOLERATED = 0.03;
/** What a panel costs that lies on the picture rather than on the black beside it. */
const PICTURE_WEIGHT = 0.15;
/** How much better, as a part of the panel's area, another place must be before a panel moves. */
const INERTIA = 0.12;

/**
 * Places tags and panels inside `area`, the largest faces first, each where it hides least: of the other faces
 * before all, then of what is placed already, then of the picture.
 */
export function layOut(
  faces: readonly FaceToPlace[],
  area: Box,
  sizes: PanelSizes,
  picture: Box,
  memory: LayoutMemory = new Map(),
): Map<string, Placement> {
  const order = [...faces].sort((a, b) => b.box.width * b.box.height - a.box.width * a.box.height);
  const taken: Box[] = [];
  const placements = new Map<string, Placement>();
  const tags = new Map<string, Box>();

  // All tags before any panel: whose face it is matters more than its scores.
  for (const face of order) {
    const others = order.filter((other) => other !== face).map((other) => other.box);
    const tag = best(tagPlaces(face.box, face.tag), area, [...others, face.box], taken).box;
    tags.set(face.trackId, tag);
    taken.push(tag);
  }

  for (const face of order) {
    const tag = tags.get(face.trackId);
    if (tag === undefined) continue;
    const others = order.filter((other) => other !== face).map((other) => other.box);
    const last = memory.get(face.trackId);
    const wholeFace = union(face.box, tag);
    const choose = (form: PanelForm) =>
      best(panelPlaces(form, face.box, wholeFace, sizes), area, others, [...taken, face.box], picture, last);
    const full = choose("full");
    // Going back to the full form asks for more room than staying in it, so that it does not flicker.
    const tolerated = last?.startsWith("compact") ? 0 : TOLERATED;
    const chosen =
      full.hidden <= tolerated * sizes.full.width * sizes.full.height
        ? { form: "full" as const, ...full }
        : { form: "compact" as const, ...choose("compact") };
    memory.set(face.trackId, chosen.name);
    taken.push(chosen.box);
    placements.set(face.trackId, { tag, panel: chosen.box, form: chosen.form });
  }
  for (const trackId of memory.keys()) if (!placements.has(trackId)) memory.delete(trackId);
  return placements;
}

interface Place {
  readonly name: string;
  readonly box: Box;
}

function tagPlaces(face: Box, tag: Size): Place[] {
  const at = (name: string, x: number, y: number): Place => ({ name, box: { x, y, ...tag } });
  const right = face.x + face.width - tag.width;
  return [
    at("above", face.x, face.y - tag.height),
    at("above right", right, face.y - tag.height),
    at("below", face.x, face.y + face.height),
    at("below right", right, face.y + face.height),
    at("inside", face.x, face.y),
  ];
}

function panelPlaces(form: PanelForm, face: Box, whole: Box, sizes: PanelSizes): Place[] {
  const size = sizes[form];
  const right = face.x + face.width + sizes.gap;
  const left = face.x - sizes.gap - size.width;
  const above = whole.y - sizes.gap - size.height;
  const below = whole.y + whole.height + sizes.gap;
  const centre = face.x + (face.width - size.width) / 2;
  const at = (name: string, x: number, y: number): Place => ({
    name: `${form} ${name}`,
    box: { x, y, ...size },
  });
  const beside = [
    at("right", right, face.y),
    at("left", left, face.y),
    at("right low", right, face.y + face.height - size.height),
    at("left low", left, face.y + face.height - size.height),
  ];
  const over = [at("below", centre, below), at("above", centre, above)];
  const inside = at("inside", centre, face.y + face.height - size.height);
  return form === "full" ? [...beside, ...over] : [...over, ...beside, inside];
}

/** The place that hides least; of equal ones the first. */
function best(
  places: readonly Place[],
  area: Box,
  faces: readonly Box[],
  taken: readonly Box[],
  picture?: Box,
  last?: string,
): Place & { hidden: number } {
  let found: (Place & { hidden: number; cost: number }) | undefined;
  for (const { name, box } of places) {
    const inside = moveInside(box, area);
    let hidden = 0;
    for (const face of faces) hidden += FACE_WEIGHT * overlap(inside, face);
    for (const other of taken) hidden += overlap(inside, other);
    let cost = hidden;
    if (picture !== undefined) cost += PICTURE_WEIGHT * overlap(inside, picture);
    if (name === last) cost -= INERTIA * box.width * box.height;
    if (found === undefined || cost < found.cost) found = { name, box: inside, hidden, cost };
  }
  if (found === undefined) throw new RangeError("no place to choose from");
  return found;
}

/** The box moved, not cut, to lie in the area; its left and top edges win where it is too large. */
export function moveInside(box: Box, area: Box): Box {
  return {
    ...box,
    x: clamp(box.x, area.x, Math.max(area.x, area.x + area.width - box.width)),
    y: clamp(box.y, area.y, Math.max(area.y, area.y + area.height - box.height)),
  };
}

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width <= 0 || height <= 0 ? 0 : width * height;
}

function union(a: Box, b: Box): Box {
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return {
    x,
    y,
    width: Math.max(a.x + a.width, b.x + b.width) - x,
    height: Math.max(a.y + a.height, b.y + b.height) - y,
  };
}
