/** Where the licences of the bundled packages are; the build says. */
declare const LICENCES: string;
declare module "*.css";
