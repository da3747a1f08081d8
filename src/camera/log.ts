/** The part of a pino logger that the camera uses. */
export interface CameraLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export const silentLog: CameraLog = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
};
